package main

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"log"
	"os"

	"github.com/ThalesGroup/crypto11"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	context, err := crypto11.Configure(&crypto11.Config{
		Path:       os.Getenv("MODULE"),
		TokenLabel: os.Getenv("TOKEN"),
		Pin:        os.Getenv("PIN"),
	})
	check(err)
	defer context.Close()
	text, err := os.ReadFile("text")
	check(err)
	digest := sha256.Sum256(text)

	// Keys that are there: a crypto.Signer, as crypto/tls and crypto/x509 take it.
	for _, label := range []string{"web", "ec"} {
		key, err := context.FindKeyPair(nil, []byte(label))
		check(err)
		if key == nil {
			log.Fatalf("there is no key %s", label)
		}
		signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		check(err)
		check(os.WriteFile(label+".sig", signature, 0o644))
	}

	// A new one, and its end.
	key, err := context.GenerateECDSAKeyPairWithLabel([]byte{0x0e}, []byte("new"), elliptic.P256())
	check(err)
	_, err = key.Sign(rand.Reader, digest[:], crypto.SHA256)
	check(err)
	check(key.Delete())
}
