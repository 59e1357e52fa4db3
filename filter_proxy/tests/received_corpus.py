"""Received fields as MTAs write them, with documentation addresses in the place of true ones.

``##`` begins a group. ``#`` names what wrote the field below, and what is to be read from it: the
client's address, or ``local``, ``inside`` or ``doubt``. The field stands as it does in a header.
"""

from typing import NamedTuple

LIE, TRUTH = "198.51.100.66", "192.0.2.66"
"""What a client claims, and what the MTA saw."""


class Row(NamedTuple):
    """One field of the table."""

    name: str
    body: str
    seen: str


def rows(table: str) -> list[Row]:
    """The rows of a table, with the addresses of the attacks filled in."""
    filled = table.replace("LIE", LIE).replace("TRUTH", TRUTH)
    entries = [entry for entry in filled.strip("\n").split("\n\n") if entry[:2] != "##"]
    found = []
    for entry in entries:
        title, _, body = entry.partition("\n")
        name, _, seen = title.removeprefix("# ").rpartition(": ")
        found.append(Row(name, body, seen))
    return found


GENUINE = rows("""
## Postfix: smtpd.c, pickup.c

# postfix: 192.0.2.1
from mail.example.org (mail.example.org [192.0.2.1])
	by mx.example.com (Postfix) with ESMTP id 4BACDC372
	for <user@example.com>; Fri, 14 Nov 2025 09:05:49 +0100 (CET)

# postfix unknown name: 192.0.2.2
from mail.example.org (unknown [192.0.2.2])
	by mx.example.com (Postfix) with SMTP id 62F9114047; Sun, 15 Feb 2026 14:29:04 -0500
 (EST)

# postfix helo literal: 192.0.2.3
from [10.225.163.77] (unknown [192.0.2.3])
	by mx.example.com (Postfix) with ESMTPSA id 62F91; Sun, 15 Feb 2026 14:29:04 -0500 (EST)

# postfix ipv6: 2001:db8:3010:104::8cd3:938
from lists.example.org (lists.example.org [IPv6:2001:db8:3010:104::8cd3:938])
	by mx.example.com (Postfix) with ESMTPS id F02FF4198C;
	Thu,  7 Apr 2026 12:17:17 +0200 (CEST)

# postfix ipv6 loopback: ::1
from localhost (localhost [IPv6:::1])
	by mx.example.com (Postfix) with ESMTP id 1DE48; Thu, 28 Nov 2025 19:30:37 +0000 (UTC)

# postfix tls 1.3: 198.51.100.4
from m.example.org (m.example.org [198.51.100.4])
	(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)
	(No client certificate requested)
	by mx.example.com (Postfix) with ESMTPS id 0C363
	for <user@example.com>; Sun, 19 Apr 2026 20:30:13 +0200 (CEST)

# postfix client certificate: 198.51.100.5
from m.example.org (m.example.org [198.51.100.5])
	(using TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits))
	(Client CN "m.example.org", Issuer "Example CA" (verified OK))
	by mx.example.com (Postfix) with ESMTPS id 0C364; Sun, 19 Apr 2026 20:30:13 +0200 (CEST)

# postfix sasl: 203.0.113.6
from [192.168.1.5] (dsl.example.net [203.0.113.6])
	(Authenticated sender: joe)
	by mx.example.com (Postfix) with ESMTPSA id 0C365; Sun, 19 Apr 2026 20:30:13 +0200
 (CEST)

# postfix renamed: 203.0.113.7
from m.example.org (m.example.org [203.0.113.7])
	by mx.example.com (Mailer) with ESMTP id 0C366; Sun, 19 Apr 2026 20:30:13 +0200

# postfix helo is by: 203.0.113.8
from by (m.example.org [203.0.113.8])
	by mx.example.com (Postfix) with SMTP id 0C367; Sun, 19 Apr 2026 20:30:13 +0200

# postfix helo utf-8: 203.0.113.9
from b\xc3\xbccher.test (m.example.org [203.0.113.9])
	by mx.example.com (Postfix) with UTF8SMTP id 0C367; Sun, 19 Apr 2026 20:30:13 +0200

# postfix helo latin-1 no-break space: 203.0.113.9
from a\xa0b (m.example.org [203.0.113.9])
	by mx.example.com (Postfix) with SMTP id 0C367; Sun, 19 Apr 2026 20:30:13 +0200

# postfix without blank: 203.0.113.10
from mail.example.org (host.example.org[203.0.113.10])
	by mx.example.com (Postfix) with SMTP id 9029A; Sat,  8 Nov 2025 17:57:46 -0500 (EST)

# postfix glued by: 127.0.0.1
from av.example.org (localhost [127.0.0.1])by  mx.example.com (Postfix) with ESMTP id
 846CF2117for  <l@example.com>; Mon,  7 Aug 2006 17:48:07 +0200

# postfix no address: doubt
from localhost (unknown [unknown])
	by mx.example.com (Postfix) with SMTP id 9029A; Sat,  8 Nov 2025 17:57:46 -0500 (EST)

# postfix pickup: local
by mx.example.com (Postfix, from userid 1000)
	id 4F3A; Mon, 7 Aug 2006 17:48:07 +0200 (CEST)

## Amavis re-injection

# amavis in: 127.0.0.1
from mx.example.com ([127.0.0.1])
	by localhost (mx.example.com [127.0.0.1]) (amavisd-new, port 10024)
	with ESMTP id tDbJrJTgnoJC; Fri,  3 Jul 2026 19:09:16 +0200 (CEST)

# amavis 2.13: ::1
from mx.example.com ([IPv6:::1])
 by localhost (mx.example.com [IPv6:::1]) (amavis, port 10024)
 with ESMTP id tDbJrJTgnoJD for <user@example.com>; Fri,  3 Jul 2026 19:09:16 +0200 (CEST)

# amavis out: 127.0.0.1
from localhost (localhost [127.0.0.1])
	by mx.example.com (Postfix) with ESMTP id 61DF7207B0;
	Fri,  3 Jul 2026 19:09:17 +0200 (CEST)

## Sendmail: $s, $_ of its cf

# sendmail: 192.0.2.20
from mail.example.org (mail.example.org [192.0.2.20])
	by fiat.example.edu (8.17.1/8.17.1) with ESMTPS id i06MBJ6U020255
	(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)
	for <b@example.edu>; Tue, 6 Jan 2026 16:11:19 -0600

# sendmail forged name: 192.0.2.21
from mx56.example.org (mx56.example.net [192.0.2.21] (may be forged)) by
 mail.example.edu (8.13.1/8.13.1) with ESMTP id i8FJcSRZ007847; Wed, 15 Sep 2004 15:38:28 -0400

# sendmail no name: 192.0.2.22
from mail.example.org ([192.0.2.22]) by mail.example.edu (8.11.6/8.11.6) with ESMTP id
 h2FH0Zx11330 for <w@example.edu>; Sat, 15 Mar 2003 17:00:41 GMT

# sendmail ident: 192.0.2.23
from mail.example.org (IDENT:qmailr@one.example.org [192.0.2.23]) by mail.example.edu
 (8.11.6/8.11.6) with SMTP id h381Vvf19860; Tue, 8 Apr 2003 02:31:57 +0100

# sendmail ident no name: 192.0.2.24
from 4wtgRl (kgbxn@[192.0.2.24]) by mail.example.edu (8.11.6/8.11.6) with SMTP id
 h8BBsUJ18848; Thu, 11 Sep 2003 12:54:31 +0100

# sendmail auth: 192.0.2.25
from gandalf ([192.0.2.25]) (authenticated bits=0) by mail.example.edu
 (8.12.5/8.12.5/herald) with ESMTP id g9JLefrm028228; Sat, 19 Oct 2002 16:40:41 -0500 (EST)

# sendmail ipv6: 2001:db8::26
from m.example.org (m.example.org [IPv6:2001:db8:0:0:0:0:0:26])
	by mail.example.edu (8.17.1/8.17.1) with ESMTP id 1; Tue, 6 Jan 2026 16:11:19 -0600

# sendmail msp: local
(from user@localhost)
	by home.example.com (8.17.1/8.17.1/Submit) id iBADHRP6011034;
	Fri, 10 Dec 2025 13:17:27 GMT

# sendmail unix socket: local
from localhost (localhost [[UNIX: localhost]]) by home.example.com
 (8.12.11/8.12.11/Submit) id iBADHRP6011034; Fri, 10 Dec 2004 13:17:27 GMT

# sendmail without client: doubt
from gb02qws by www.example.com (8.12.10/8.9.3) with ESMTP id k7UDHtrV057626; Wed, 30
 Aug 2006 13:17:58 GMT

# proofpoint: 127.0.0.1
from pps.filterd (m0112518.example.net [127.0.0.1])
	by mx0a.example.net (8.18.1.2/8.18.1.2) with ESMTP id 0BAMxdDW020485
	for <r@example.com>; Fri, 11 Dec 2025 10:01:45 +1100

## Exim: host_build_sender_fullhost

# exim verified: 192.0.2.30
from mail.example.org ([192.0.2.30])
	by mx.example.com with esmtps  (TLS1.3) tls TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
	(Exim 4.96)
	(envelope-from <a@example.org>)
	id 1wd0Lx-004iBP-0D
	for user@example.com;
	Fri, 26 Jun 2026 08:47:53 +0200

# exim verified, helo: 192.0.2.31
from dsl.example.org ([192.0.2.31] helo=blazing.example.org) by mx.example.com with
 esmtp (Exim 4.96) id 18lyuU-0007TI-00; Thu, 20 Feb 2025 14:11:18 -0800

# exim verified, helo literal: 192.0.2.32
from dsl.example.org ([192.0.2.32] helo=[10.0.0.4])
	by mx.example.com with esmtpsa (TLS1.3) (Exim 4.96) id 18lyuU-0007TI-00; Thu, 20 Feb
 2025 14:11:18 -0800

# exim verified, helo, ident: 192.0.2.33
from dsl.example.org
	([192.0.2.33] helo=x.example.org ident=root)
	by mx.example.com with esmtp (Exim 4.96) id 1; Thu, 20 Feb 2025 14:11:18 -0800

# exim verified, ident: 192.0.2.34
from x.example.org ([192.0.2.34] ident=[W9VcNxE2vKxgWHD0/O]) by mx.example.com with
 esmtp (Exim 3.31) id 18m0hT-00031I-00; Thu, 20 Feb 2003 16:06:00 -0800

# exim verified, port: 192.0.2.35
from gate.example.org ([192.0.2.35]:60178 helo=gate2.example.org) by mx.example.com
 with esmtps (TLS-1.0:DHE_RSA_3DES_EDE_CBC_SHA:24) (Exim 4.50) id 1H3KFP-0005pI-08;
 Sun, 07 Jan 2007 12:47:43 +0100

# exim unverified: 192.0.2.36
from [192.0.2.36] (helo=mail.example.org)
	by mx.example.com with esmtp (Exim 4.96)
	(envelope-from <a@example.org>)
	id 194BE5-0005Zh-00; Sat, 12 Apr 2025 03:58:53 +0100

# exim unverified, literal: 192.0.2.37
from [192.0.2.37] (helo=[198.51.100.1])
	by mx.example.com with esmtp (Exim 4.96) id 1; Sat, 12 Apr 2025 03:58:53 +0100

# exim unverified, same literal: 192.0.2.38
from [192.0.2.38]
	by mx.example.com with esmtp (Exim 4.96) id 1; Sat, 12 Apr 2025 03:58:53 +0100

# exim unverified, port: 192.0.2.39
from [192.0.2.39] (port=51234 helo=host.example.org ident=x)
	by mx.example.com with esmtpsa  (TLS1.2) tls TLS_RSA (Exim 4.96.2) id 1; Sat, 12 Apr
 2025 03:58:53 +0100

# exim ipv6: 2001:db8::40
from [2001:db8::40] (helo=mail.example.org)
	by mx.example.com with esmtps (TLS1.3) (Exim 4.96) id 1; Sat, 12 Apr 2025 03:58:53 +0100

# exim ipv6 verified: 2001:db8::41
from mail.example.org ([2001:db8::41] helo=[IPv6:2001:db8::99])
	by mx.example.com with esmtps (TLS1.3) (Exim 4.96) id 1; Sat, 12 Apr 2025 03:58:53 +0100

# exim without its name: 192.0.2.42
from [192.0.2.42] (helo=t.example.org)
 by mxeu2.example.com with ESMTP (Nemesis),
 id 0MKpdM-1CkRpr14PF-000608; Fri, 31 Dec 2004 19:49:15 +0100

# exim local: local
from pza by lupine with local (Exim 4.98.2)
	(envelope-from <p@example.org>)
	id 1wd0Lw-000000003K1-45ok;
	Fri, 26 Jun 2026 08:47:52 +0200

# exim local bsmtp: local
from root (helo=localhost) by mx.example.com with local-bsmtp (Exim 4.30) id
 1GN22d-0000xp-2K; Tue, 12 Sep 2006 08:46:43 +0200

# exim scanner: doubt
from mail by mx.example.com with spam-scanned (Exim 4.51) id 1DnPTU-0006bL-UT; Tue, 28
 Jun 2005 16:26:44 -0700

## Microsoft Exchange and its predecessor

# smtpsvc: 192.0.2.50
from mail.example.org ([192.0.2.50]) by mx.example.com with Microsoft
 SMTPSVC(5.0.2195.6624); Thu, 6 Mar 2003 12:02:35 -0800

# smtpsvc unverified: 192.0.2.51
from tthompson ([192.0.2.51] unverified) by mx.example.com with Microsoft
 SMTPSVC(5.0.2195.5329); Tue, 11 Mar 2003 13:23:01 +0000

# smtpsvc rdns failed: 192.0.2.52
from 0 ([192.0.2.52] RDNS failed) by mx.example.com with Microsoft SMTPSVC(6.0.3790.0);
 Thu, 23 Sep 2004 08:51:06 -0700

# smtpsvc no helo: 192.0.2.53
from  ([192.0.2.53]) by mx.example.com with Microsoft SMTPSVC(5.0.2195.6713); Wed, 6
 Sep 2006 21:14:29 -0400

# smtpsvc pickup: local
from mail pickup service by mx.example.com with Microsoft SMTPSVC; Thu, 13 Feb 2003
 19:05:39 -0500

# exchange 2007: 192.0.2.54
from mail.example.org (192.0.2.54) by ex.example.com (10.18.126.92)
 with Microsoft SMTP Server id 8.3.83.0; Mon, 3 Nov 2014 16:15:43 -0800

# exchange 2013: 192.0.2.55
from mail.example.org (192.0.2.55) by
 SC-EXCH02.example.com (10.93.176.82) with Microsoft SMTP Server (TLS) id
 15.0.1497.2 via Frontend Transport; Tue, 25 Feb 2020 08:35:17 -0800

# exchange 2019: 192.0.2.56
from mail.example.org (192.0.2.56) by ex.example.com
 (10.181.40.145) with Microsoft SMTP Server (version=TLS1_2,
 cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256) id 15.1.2507.35; Wed, 28 Feb
 2024 12:41:27 -0600

# exchange helo literal: 192.0.2.57
from [10.1.1.1] (192.0.2.57) by ex.example.com (10.181.40.145) with Microsoft SMTP
 Server id 15.1.2507.35; Wed, 28 Feb 2024 12:41:27 -0600

# exchange mapi: fe80::19bd:c588:dd17:5226
from EX1.example.com ([fe80::19bd:c588:dd17:5226]) by EX1.example.com
 ([fe80::19bd:c588:dd17:5226%6]) with mapi id 15.01.2507.035; Wed, 5 Jun 2024 10:17:08 +0000

# exchange zone: fe80::1
from EX1.example.com ([fe80::1%12]) by EX1.example.com ([10.1.1.2]) with mapi; Wed, 5
 Jun 2013 10:17:08 +0000

# exchange mailbox: 10.0.0.1
from EX1.example.com (10.0.0.1) by EX1.example.com (10.0.0.1) with Microsoft
 SMTP Server (version=TLS1_2, cipher=TLS_ECDHE) id 15.1.2507.35 via Mailbox
 Transport; Wed, 28 Feb 2024 12:41:27 -0600

## Microsoft 365

# m365 inner: 2001:db8:208:2a::17
from BL0PR04MB4866.namprd04.example.com (2001:db8:208:2a::17)
 by MN2PR04MB6654.namprd04.example.com (2001:db8:208:1f1::22) with
 Microsoft SMTP Server (version=TLS1_2,
 cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.3412.21; Tue, 29 Sep
 2020 22:22:59 +0000

# m365 edge: 192.0.2.60
from mail.example.org (192.0.2.60) by
 CY4PEPF0000E9D5.mail.example.com (10.167.241.76) with Microsoft
 SMTP Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id
 15.20.7292.25 via Frontend Transport; Wed, 28 Feb 2024 18:41:27 +0000

# m365 edge to postfix: 198.51.100.103
from NAM10-MW2-obe.outbound.example.com (mail-mw2nam10on2103.outbound.example.com
 [198.51.100.103])
	(using TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits))
	(No client certificate requested)
	by mx.example.com (Postfix) with ESMTPS id 299186001F; Tue, 06 Aug 2019 06:52:59 -0700
 (PDT)

# m365 mapi: fe80::b6:a4a1:2f36:8284
from BL0PR04MB4866.namprd04.example.com
 ([fe80::b6:a4a1:2f36:8284]) by BL0PR04MB4866.namprd04.example.com
 ([fe80::b6:a4a1:2f36:8284%7]) with mapi id 15.20.3412.029; Tue, 29 Sep 2020
 22:22:59 +0000

## qmail: received.c, qmail.c

# qmail: 192.0.2.70
from mail.example.org (192.0.2.70)
  by mx.example.com with SMTP; 14 Nov 2003 08:31:29 -0000

# qmail helo: 192.0.2.71
from unknown (HELO feux01a) (192.0.2.71)
  by mx.example.com with SMTP; 1 Nov 2003 07:05:19 -0000

# qmail ident: 192.0.2.72
from mail.example.org (foobar@192.0.2.72)
  by mx.example.com with SMTP; 14 Nov 2003 08:05:50 -0000

# qmail helo and ident: 192.0.2.73
from dsl.example.org (HELO merlin.example.net) (Owner50@192.0.2.73)
  by mx.example.com with SMTP; 10 Nov 2003 06:30:34 -0000

# qmail empty helo: 192.0.2.74
from mx10.example.org (HELO ) (192.0.2.74)
  by mx.example.com with SMTP; 3 Mar 2004 20:34:38 -0000

# qmail helo literal: 192.0.2.75
from dsl.example.org (HELO [127.0.0.1]) (user@example.org@192.0.2.75)
  by mx.example.com with ESMTPA; 15 Apr 2012 12:10:14 -0000

# netqmail tls: 192.0.2.76
from lists.example.org (HELO parrot.example.org) (192.0.2.76)
  by mx.example.com with (DHE-RSA-AES256-SHA encrypted) SMTP; 6 Feb 2005 21:11:37 -0000

# netqmail ipv6: 2001:db8::77
from unknown (HELO mail.example.org) (2001:db8::77)
  by mx.example.com with ESMTPS; 6 Feb 2025 21:11:37 -0000

# qmail auth in brackets: 192.0.2.78
from unknown (HELO example.net) (m@example.net@[192.0.2.78])
  by 198.51.100.9 with ESMTPSA (AES256-SHA encrypted, authenticated); 19 Apr 2019 08:51:35 -0000

# qmail-ldap: 192.0.2.79
from unknown (HELO terps.example.org) (jd@[192.0.2.79])
          (envelope-sender <jd@example.org>)
          by mx.example.com (qmail-ldap-1.03) with SMTP
          for <u@example.com>; 1 Apr 2003 02:08:13 -0000

# qmail-ldap no helo: 192.0.2.80
from mail.example.org ([192.0.2.80])
          (envelope-sender <jd@[198.51.100.7]>)
          by mx.example.com (qmail-ldap-1.03) with SMTP
          for <u@example.com>; 1 Apr 2003 02:08:13 -0000

# qmail-ldap ident without helo: 192.0.2.81
from mail.example.org (a=b@[192.0.2.81])
          (envelope-sender <>)
          by mx.example.com (qmail-ldap-1.03) with SMTP
          for <u@example.com>; 1 Apr 2003 02:08:13 -0000

# qmail-queue: inside
(qmail 27836 invoked from network); 14 Oct 2025 04:22:09 -0000

# qmail-queue uid: local
(qmail 27836 invoked by uid 1008); 14 Oct 2025 04:22:09 -0000

# qmail-queue alias: local
(qmail 27836 invoked by alias); 14 Oct 2025 04:22:09 -0000

# qmail-queue bounce: local
(qmail 27836 invoked for bounce); 14 Oct 2025 04:22:09 -0000

# ironport: 192.0.2.82
from lkp.example.org (HELO f64821696465) ([192.0.2.82])
  by esa.example.com with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384; 11 Oct 2023 02:16:16 -0700

# zimbra lmtp: 10.2.2.20
from m1.example.org (LHLO m2.example.org) (10.2.2.20) by m3.example.com with LMTP; Thu,
 18 Jun 2015 16:50:56 -0700 (PDT)

## Gmail

# gmail: 192.0.2.90
from mail.example.org (mail.example.org. [192.0.2.90])
        by mx.example.com with ESMTPS id b30sm4689215lfo.49.2019.08.09.14.17.35
        for <user@example.com>
        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);
        Fri, 09 Aug 2019 14:17:35 -0700 (PDT)

# gmail no name: 192.0.2.91
from localhost ([192.0.2.91])
        by smtp.example.com with ESMTPSA id k141sm1520411pfd.9.2021.01.20.20.14.19
        (version=TLS1_2 cipher=ECDHE-ECDSA-AES128-GCM-SHA256 bits=128/128);
        Wed, 20 Jan 2021 20:14:20 -0800 (PST)

# gmail ipv6 helo: 2001:db8::92
from ?IPV6:2001:db8:280:24f0::5c? ([2001:db8::92])
        by smtp.example.com with ESMTPSA id r16-20020ac867d0000000b004199c98f87dsm3100752qtp.74
        (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128);
        Mon, 16 Oct 2023 08:17:10 -0700 (PDT)

# gmail outbound: 2001:db8:167::41
from mail-lf1-f41.example.com (mail-lf1-f41.example.com. [IPv6:2001:db8:167::41])
	by mx.example.com (Postfix) with ESMTPS id 0C367; Sun, 19 Apr 2026 20:30:13 +0200

# gmail inner: doubt
by 2001:db8:6214:162a:0:0:0:0 with SMTP id e10csp123456qvw;
        Wed, 30 Sep 2020 03:38:37 -0700 (PDT)

# gmail web: local
by 10.0.0.1 with HTTP; Wed, 30 Sep 2020 03:38:37 -0700 (PDT)

## Courier: courieresmtpd.C, submit.C

# courier: 192.0.2.100
from mail.example.org (mail.example.org [::ffff:192.0.2.100])
  by mx.example.com with esmtp; Mon, 18 Aug 2003 15:37:48 +0300

# courier no name: 192.0.2.101
from mail.example.org ([::ffff:192.0.2.101])
  by mx.example.com with esmtp
  id 000DB.43735815.00001E11; Mon, 18 Aug 2003 15:37:48 +0300

# courier softdnserr: 192.0.2.102
from [192.168.2.4] (softdnserr [::ffff:192.0.2.102])
  (AUTH: CRAM-MD5 s@example.org, )
  by mx.example.com with ESMTPSA
  id 0000000000080.0000000069106B8D; Sun, 09 Nov 2025 11:23:09 +0100

# courier auth and tls: 192.0.2.103
from gork (dsl.example.org [192.0.2.103])
  (IDENT: root, AUTH: LOGIN g@example.org, TLS: TLSv1.3,256bits,TLS_AES_256_GCM_SHA384)
  by mx.example.com with ESMTPSA; Thu, 10 Nov 2005 08:24:21 -0600

# courier ipv6: 2001:db8::104
from mail.example.org (mail.example.org [2001:db8::104])
  by mx.example.com with ESMTPS
  id 00000000000; Sun, 09 Nov 2025 11:23:09 +0100

## Others that write one of these forms, or none of them

# haraka: 192.0.2.110
from mail.example.org (mail.example.org [192.0.2.110])
	by mx.example.com (Haraka/2.8.28) with ESMTPS id 1A2B.1
	envelope-from <a@example.org>
	(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384);
	Sun, 09 Nov 2025 11:23:09 +0000

# qpsmtpd: 192.0.2.117
from dsl.example.org (HELO niels) (192.0.2.117)
  by mx.example.com (qpsmtpd/0.27-dev) with SMTP; Fri, 02 Jan 2004 19:26:52 -0800

# gmx: doubt
from dsl.example.org (EHLO homepc) [192.0.2.118]
  by mx.example.com (mp010) with SMTP; 03 Feb 2007 13:13:47 +0100

# simta: 192.0.2.111
FROM mail.example.org (smtp.example.org [192.0.2.111])
	BY mx.example.com ID 434B508E.174A6.13932 ; 11 Oct 2005 01:41:34 -0400

# opensmtpd local: local
from localhost (mx.example.com [local])
	by mx.example.com (OpenSMTPD) with ESMTPA id 5db34e0d; Tue, 7 Apr 2020 01:38:29 -0600
 (MDT)

# helo only: doubt
from list.example.org by mx.example.com with SMTP; Fri, 1 Sep 2006 10:56:21 -0400

# helo literal only: doubt
from [192.0.2.112] by mx.example.com with SMTP; Fri, 1 Sep 2006 10:56:21 -0400

# helo address only: doubt
from 192.0.2.113 by mx.example.com with HTTP; Fri, 1 Sep 2006 10:56:21 -0400

# zmailer: doubt
from mail.example.org ([192.0.2.114]:37633 "HELO mail.example.org"
	rhost-flags-OK-OK-OK-OK) by mx.example.com with SMTP
	id S1758866AbZLKS5B; Fri, 11 Dec 2009 13:57:01 -0500

# name in the comment: doubt
from scv3.example.org (scv3.example.org) by mx.example.com (Content Technologies SMTPRS
 4.2.1) with ESMTP id <T6109>; Mon, 17 Mar 2003 17:04:54 -0800

# address as a name in the comment: doubt
from scv3.example.org (192.0.2.115) by mx.example.com (Content Technologies SMTPRS
 4.2.1) with ESMTP id <T6109>; Mon, 17 Mar 2003 17:04:54 -0800

# communigate: doubt
from [192.0.2.116] (HELO [10.0.0.9]) by mx.example.com (CommuniGate Pro SMTP 5.1.3)
 with SMTP id 19467966; Fri, 08 Dec 2006 08:40:46 -0800

# simscan: doubt
by simscan 1.4.0 ppid: 123, pid: 124, t: 0.1s

# tessian: doubt
("Tessian outbound ff098c684b24:v54"); Mon, 27 Apr 2020 07:26:50 +0000
""")

FORGED = rows("""
## What a client says where a sane MTA writes it: the truth is read

# literal: TRUTH
from [LIE] (evil.test [TRUTH]) by mx.example.com (Postfix) with SMTP id 1; d

# bare address: TRUTH
from LIE (evil.test [TRUTH]) by mx.example.com (Postfix) with SMTP id 1; d

# literal to sendmail without a name: TRUTH
from [LIE] ([TRUTH]) by mx.example.com (8.17/8.17) with SMTP id 1; d

# literal to exim: TRUTH
from [TRUTH] (helo=[LIE]) by mx.example.com with smtp (Exim 4.96) id 1; d

# literal to exim with a name: TRUTH
from evil.test ([TRUTH] helo=[LIE]) by mx.example.com with smtp (Exim 4.96) id 1; d

# literal to qmail: TRUTH
from unknown (HELO [LIE]) (TRUTH) by mx.example.com with SMTP; d

# literal to exchange: TRUTH
from [LIE] (TRUTH) by mx.example.com (10.0.0.1) with Microsoft SMTP Server id 15; d

# address as ident of qmail: TRUTH
from unknown (LIE@TRUTH) by mx.example.com with SMTP; d

# literal as ident of qmail: TRUTH
from unknown ([LIE]@TRUTH) by mx.example.com with SMTP; d

# exim's words as ident of qmail: doubt
from [LIE] (helo=x@TRUTH) by mx.example.com with SMTP; d

# exim's words as a name: TRUTH
from [LIE] (helo [TRUTH]) by mx.example.com (Postfix) with SMTP id 1; d

# address as reverse name: TRUTH
from evil.test (LIE [TRUTH]) by mx.example.com (Postfix) with SMTP id 1; d

# ident of sendmail: TRUTH
from [LIE] (IDENT:LIE@evil.test [TRUTH]) by mx.example.com (8.17/8.17) with SMTP id 1; d

# helo is a whole form without blanks: TRUTH
from a[LIE]by (evil.test [TRUTH]) by mx.example.com (Postfix) with SMTP id 1; d

# literal as envelope sender of qmail-ldap: TRUTH
from u (HELO a) ([TRUTH]) (envelope-sender <a@[LIE]>) by mx.example.com
 (qmail-ldap-1.03) with SMTP; d

## What a client might smuggle through an MTA that lets blanks and parentheses pass: doubt

# words: doubt
from a b (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# comment: doubt
from a (b [LIE]) (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# comment, ipv6: doubt
from a (b [LIE]) (evil.test [IPv6:2001:db8::66]) by mx.example.com (X) with SMTP id 1; d

# comment, plain: doubt
from a (b [LIE]) (TRUTH) by mx.example.com (10.0.0.1) with Microsoft SMTP Server id 15; d

# comment, plain, with ident: doubt
from a (LIE) (x@TRUTH) by mx.example.com with SMTP; d

# helo comment: doubt
from a (HELO b) (LIE) (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# comment without an address: doubt
from a (b) (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# glued comment: doubt
from a([LIE]) (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# exim's form: doubt
from [LIE] (helo=x) (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# exim's form and name: doubt
from [LIE] by b (Exim 4.96) (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# whole clause: doubt
from a (b [LIE]) by c with SMTP id 1 (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# whole field: doubt
from a (b [LIE]) by c with SMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000 (evil.test
 [TRUTH]) BY mx.example.com (X) with SMTP id 1; d

# by without a host: doubt
from a (b [LIE]) by (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# open comment: doubt
from a (b [LIE]) by c ( (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# comment closed by the envelope sender: doubt
from a (b [LIE]) by c ( (evil.test [TRUTH]) by mx.example.com (envelope-from
 <")"@evil.test>) id 1; d

# comment closed in front of by: doubt
from a (b [LIE]) ( (evil.test [TRUTH]) by mx.example.com (envelope-from <")) by c
 ("@evil.test>) id 1; d

# quote: doubt
from a (b [LIE]) by c for " (evil.test [TRUTH]) by mx.example.com (X) with SMTP for "x"; d

# angle bracket: doubt
from a (b [LIE]) by c for < (evil.test [TRUTH]) by mx.example.com (X) with SMTP for <x>; d

# closing parenthesis: doubt
from a) (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# opening parenthesis: doubt
from a( (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# closing parenthesis behind by: doubt
from a (evil.test [TRUTH]) by mx.example.com (X) with SMTP) id 1; d

# opening parenthesis behind by: doubt
from a (evil.test [TRUTH]) by mx.example.com (X with SMTP id 1; d

# comment in the place of the host: doubt
from a (b [LIE]) by (X) with SMTP id 1; d

# word behind the client: doubt
from a (evil.test [TRUTH]) via SMTP by mx.example.com (X) id 1; d

# two addresses in one comment: doubt
from a ([LIE] [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# exim's junk helo: doubt
from evil.test ([TRUTH] helo=x [LIE]) by mx.example.com with smtp (Exim 4.96) id 1; d

# exim's junk helo with ident: doubt
from [TRUTH] (helo=a b [LIE]) by mx.example.com with smtp (Exim 4.96) id 1; d

# helo literal behind a name: doubt
from evil.test (HELO [LIE]) by mx.example.com with SMTP; d

# two helo comments: doubt
from evil.test (HELO a) (HELO [LIE]) by mx.example.com with SMTP; d

# exim's helo as a name: doubt
from evil.test (helo=[LIE]) by mx.example.com with SMTP; d

# windows' pickup: doubt
from mail pickup service (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# carriage return: doubt
from a (b [LIE]) by c\rReceived: from d (evil.test [TRUTH]) by mx.example.com; d

# nul: doubt
from a\0 (evil.test [TRUTH]) by mx.example.com (X) with SMTP id 1; d

# tag with no address: doubt
from a (b [IPv6:]) by mx.example.com (X) with SMTP id 1; d

# address out of range: doubt
from a (b [192.0.2.256]) by mx.example.com (X) with SMTP id 1; d

# octal address: doubt
from a (b [192.0.02.1]) by mx.example.com (X) with SMTP id 1; d
""")
