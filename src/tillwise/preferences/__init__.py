"""The preference centre and the banner: a person's own pages, opened by a signed link, with and without JavaScript."""
