"""Images that stand in for a registry's, built from Debian's packages where no registry can be reached."""
