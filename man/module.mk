# Lists what man/ installs and distributes.
dist_man_MANS += man/iaido.8 man/iaido.yaml.5
