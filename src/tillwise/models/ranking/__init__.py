"""What to show: item models that know no person, blended by weights chosen on the validation slice only."""
