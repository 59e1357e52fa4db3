"""Lossless models of Postfix's configuration files, without Ansible."""
