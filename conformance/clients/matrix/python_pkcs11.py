import hashlib
import os
import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

library = pkcs11.lib(os.environ["MODULE"])
token = library.get_token(token_label=os.environ["TOKEN"])
text = open("text", "rb").read()

with token.open(rw=True, user_pin=os.environ["PIN"]) as session:
    key = session.get_key(ObjectClass.PRIVATE_KEY, label="web")
    with open("web.sig", "wb") as file:
        file.write(key.sign(text, mechanism=Mechanism.SHA256_RSA_PKCS))
    key = session.get_key(ObjectClass.PRIVATE_KEY, label="ec")
    with open("ec.sig", "wb") as file:
        file.write(key.sign(hashlib.sha256(text).digest(), mechanism=Mechanism.ECDSA))
    # A new key, which stays; keys in AWS KMS can do one thing only, so say which.
    use = MechanismFlag.SIGN | MechanismFlag.VERIFY
    public, private = session.generate_keypair(KeyType.RSA, 2048, store=True, label="new", capabilities=use)
    signature = private.sign(text, mechanism=Mechanism.SHA256_RSA_PKCS)
    assert public.verify(text, signature, mechanism=Mechanism.SHA256_RSA_PKCS)
    assert not public.verify(text + b"!", signature, mechanism=Mechanism.SHA256_RSA_PKCS)
    private.destroy()
    for found in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}):
        print(found[Attribute.LABEL], len(found[Attribute.VALUE]))
