"""What Python's poplib does with a maildrop, without a complaint.

Usage: poplib_session.py HOST POP3S-PORT POP3-PORT CERTIFICATE USER PASSWORD
The maildrop must hold two letters, of which the second has a line with one dot.
Exits 0 if everything was as it must be; one letter is left.
"""

import poplib
import ssl
import sys

host, pop3s_port, pop3_port, certificate, user, password = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)

# In the clear a password is refused; after STLS it is taken.
clear = poplib.POP3(host, int(pop3_port))
assert "STLS" in clear.capa() and "USER" not in clear.capa(), clear.capa()
try:
    clear.user(user)
    raise SystemExit("a name was taken in the clear")
except poplib.error_proto as error:
    assert b"[AUTH]" in error.args[0], error
assert clear.stls(context).startswith(b"+OK")
assert "STLS" not in clear.capa() and "USER" in clear.capa(), clear.capa()
clear.user(user)
try:
    clear.pass_("wrong")
    raise SystemExit("a wrong password was taken")
except poplib.error_proto as error:
    assert b"[AUTH]" in error.args[0], error
clear.user(user)
clear.pass_(password)
assert clear.stat()[0] == 2, clear.stat()
clear.quit()

session = poplib.POP3_SSL(host, int(pop3s_port), context=context)
assert "UTF8" in session.capa(), session.capa()
assert session.utf8().startswith(b"+OK")
session.user(user)
session.pass_(password)
count, size = session.stat()
_, sizes, _ = session.list()
assert count == len(sizes) == 2 and size == sum(int(line.split()[1]) for line in sizes)
_, names, _ = session.uidl()
assert len({line.split()[1] for line in names}) == 2, names
assert session.uidl(2).split()[1:] == names[1].split(), session.uidl(2)
_, lines, octets = session.retr(2)
assert b"." in lines and lines[-1].startswith(b"..two"), lines
assert octets == int(sizes[1].split()[1]) == sum(len(line) + 2 for line in lines), sizes
_, top, _ = session.top(2, 1)
assert top == lines[: lines.index(b"") + 2], top
session.dele(1)
session.rset()
assert session.stat()[0] == 2
session.dele(1)
assert session.noop().startswith(b"+OK")
assert session.quit().startswith(b"+OK")

session = poplib.POP3_SSL(host, int(pop3s_port), context=context)
session.user(user)
session.pass_(password)
assert session.stat()[0] == 1, session.stat()
assert session.uidl()[1] == [b"1 " + names[1].split()[1]], session.uidl()
session.quit()
