# Lists what man/ installs and distributes.
