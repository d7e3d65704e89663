"""Audiences and computed traits: their definitions, who is in them, and the events that say who entered or left."""
