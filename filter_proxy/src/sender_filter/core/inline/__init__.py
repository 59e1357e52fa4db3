"""Topology ``inline``: the filter is Postfix's before-queue filter (SMTPD_PROXY_README).

Postfix's smtpd makes a connection for each message, at its first recipient. It says EHLO, tells
with XFORWARD who its client is (XFORWARD_README), and then repeats the client's own commands.
"""
