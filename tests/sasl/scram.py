"""One SCRAM-SHA-256 exchange as a client, by nothing but Python's library.

Arguments: the gs2 flag, the name, the password, what the connection exports in hex (or
nothing). Says its first message; hears the server's, says its last one; hears the server's
last, and says whether that is right. A message is a line.
"""

import base64, hashlib, hmac, os, sys


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


flag, name, password, exported = sys.argv[1:]
nonce = base64.b64encode(os.urandom(18)).decode()
gs2 = flag + ",,"
bare = "n=%s,r=%s" % (name.replace("=", "=3D").replace(",", "=2C"), nonce)
print(gs2 + bare, flush=True)

challenge = sys.stdin.readline().strip()
fields = dict(field.split("=", 1) for field in challenge.split(","))
assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce), challenge
salted = hashlib.pbkdf2_hmac(
    "sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"])
)
binding = base64.b64encode(gs2.encode() + bytes.fromhex(exported)).decode()
unproven = "c=%s,r=%s" % (binding, fields["r"])
signed = ",".join([bare, challenge, unproven]).encode()
key = mac(salted, b"Client Key")
hidden = mac(hashlib.sha256(key).digest(), signed)
proof = bytes(a ^ b for a, b in zip(key, hidden))
print("%s,p=%s" % (unproven, base64.b64encode(proof).decode()), flush=True)

signature = base64.b64encode(mac(mac(salted, b"Server Key"), signed)).decode()
print("right" if sys.stdin.readline().strip() == "v=" + signature else "wrong", flush=True)
