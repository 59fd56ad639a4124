import hashlib
import os
from PyKCS11 import *

library = PyKCS11Lib()
library.load(os.environ["MODULE"])
slots = library.getSlotList(tokenPresent=True)
slot = next(slot for slot in slots if library.getTokenInfo(slot).label.strip() == os.environ["TOKEN"])
session = library.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
session.login(os.environ["PIN"])
text = open("text", "rb").read()

digest = hashlib.sha256(text).digest()

for label, mechanism, data in ("web", CKM_SHA256_RSA_PKCS, text), ("ec", CKM_ECDSA, digest):
    template = [(CKA_LABEL, label), (CKA_CLASS, CKO_PRIVATE_KEY)]
    key = session.findObjects(template)[0]
    signature = bytes(session.sign(key, data, Mechanism(mechanism)))
    public = session.findObjects([(CKA_LABEL, label), (CKA_CLASS, CKO_PUBLIC_KEY)])[0]
    assert session.verify(public, data, signature, Mechanism(mechanism))
    with open(label + ".sig", "wb") as file:
        file.write(signature)

for certificate in session.findObjects([(CKA_CLASS, CKO_CERTIFICATE)]):
    label, value = session.getAttributeValue(certificate, [CKA_LABEL, CKA_VALUE])
    print(label, len(value))
session.logout()
session.closeSession()
