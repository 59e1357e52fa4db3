"""The configuration file and the lists it names: checked, loaded, explained."""
