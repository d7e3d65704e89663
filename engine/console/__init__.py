"""The web console: how connections stand, what became of each event, and a page to try mappings on."""
