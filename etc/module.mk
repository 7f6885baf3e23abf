# Lists what etc/ installs and distributes.
