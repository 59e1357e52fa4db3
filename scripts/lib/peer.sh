#!/usr/bin/env bash
# Runs inside the peer image while it is built: swaks for the client, and for the mail store a
# Postfix that takes every message for example.test and keeps it, one file each, in /var/mail/store/new.
# What a filter asks lies there as well, and is started by the tests that need it: rbldnsd, Redis.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get install -y --no-install-recommends postfix swaks rbldnsd redis-server
useradd --uid 5000 --user-group --no-create-home --shell /usr/sbin/nologin store
install -d -o store -g store /var/mail/store
postconf -X myhostname
postconf -e \
  'inet_interfaces = all' \
  'mydestination =' \
  'virtual_mailbox_domains = example.test, xn--bcher-kva.example.test' \
  'virtual_mailbox_base = /var/mail' \
  'virtual_mailbox_maps = static:store/' \
  'virtual_uid_maps = static:5000' \
  'virtual_gid_maps = static:5000' \
  'virtual_mailbox_limit = 0' \
  'message_size_limit = 104857600' \
  'smtpd_client_connection_count_limit = 0' \
  'smtpd_recipient_limit = 1000' \
  'smtpd_client_restrictions =' \
  'smtputf8_enable = yes' \
  'queue_run_delay = 5s' \
  'minimal_backoff_time = 5s' \
  'maximal_backoff_time = 10s'
# The client host has no use for it; scripts/lab starts it on the mail store.
systemctl disable postfix.service rbldnsd.service redis-server.service
