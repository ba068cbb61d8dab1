"""Who answers when: model cards, gates, transitions."""
