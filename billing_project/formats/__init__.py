"""How days and times are written where nothing else says it; Django finds these by language."""
