# Signatures and decryptions with pkcs11-tool that OpenSSL checks. Scripts source this after token.sh.
#
# The key is named by its label; LABEL.pub is its public key in PEM.
sign() { user --sign --id "$@" --output-file signature; }

# PKCS #1 v1.5 and PSS, hashed by the module and by the program.
signs_with_rsa() {
    local key=$1 id hash
    id=$(id_of "$key")
    for hash in SHA256 SHA384 SHA512; do
        sign "$id" --mechanism $hash-RSA-PKCS --input-file data
        openssl dgst -$hash -verify "$key.pub" -signature signature data
    done
    sign "$id" --mechanism SHA256-RSA-PKCS-PSS --mgf MGF1-SHA256 --salt-len 32 --input-file data
    openssl dgst -sha256 -verify "$key.pub" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 \
        -signature signature data
    openssl dgst -sha256 -binary -out digest data
    sign "$id" --mechanism RSA-PKCS-PSS --hash-algorithm SHA256 --mgf MGF1-SHA256 --salt-len 32 --input-file digest
    openssl dgst -sha256 -verify "$key.pub" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 \
        -signature signature data
    # The block of PKCS #1: what comes before a SHA-256 digest, and the digest.
    (printf '\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20' && cat digest) >block
    sign "$id" --mechanism RSA-PKCS --input-file block
    openssl dgst -sha256 -verify "$key.pub" -signature signature data
    user --verify --id "$id" --mechanism SHA256-RSA-PKCS --input-file data --signature-file signature
}

# A digest, shorter and longer ones than the curve has too, and a message that the module hashes.
signs_with_ec() {
    local key=$1 id hash
    id=$(id_of "$key")
    for hash in sha256 sha384 sha512; do
        openssl dgst -$hash -binary -out digest data
        sign "$id" --mechanism ECDSA --signature-format openssl --input-file digest
        openssl dgst -$hash -verify "$key.pub" -signature signature data
    done
    sign "$id" --mechanism ECDSA-SHA256 --signature-format openssl --input-file data
    openssl dgst -sha256 -verify "$key.pub" -signature signature data
    sign "$id" --mechanism ECDSA-SHA256 --input-file data
    user --verify --id "$id" --mechanism ECDSA-SHA256 --input-file data --signature-file signature
}

signs_with_ed25519() {
    local key=$1
    sign "$(id_of "$key")" --mechanism EDDSA --input-file data
    openssl pkeyutl -verify -pubin -inkey "$key.pub" -rawin -in data -sigfile signature
}

decrypts_with_rsa() {
    local key=$1 id hash
    id=$(id_of "$key")
    echo "a secret" >secret
    for hash in SHA1 SHA256; do
        openssl pkeyutl -encrypt -pubin -inkey "$key.pub" -in secret -out sealed -pkeyopt rsa_padding_mode:oaep \
            -pkeyopt rsa_oaep_md:$hash
        user --decrypt --id "$id" --mechanism RSA-PKCS-OAEP --hash-algorithm ${hash/SHA1/SHA-1} --mgf MGF1-$hash \
            --input-file sealed --output-file opened
        cmp secret opened
    done
}
