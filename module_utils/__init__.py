"""What the modules share: importable and testable without Ansible."""
