// SPDX-License-Identifier: MIT
// Uses a token as a Java key store: signs, verifies, encrypts, digests, makes session keys on many threads.
// Arguments: the provider's configuration file, the PIN, the hashes that the token signs with, and the aliases of keys.

import java.security.*;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.*;
import javax.crypto.Cipher;
import javax.crypto.KeyGenerator;
import javax.crypto.Mac;
import javax.crypto.SecretKey;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

public class KeyStoreProgram {
    static Provider provider;

    public static void main(String[] arguments) throws Exception {
        provider = Security.getProvider("SunPKCS11").configure(arguments[0]);
        Security.addProvider(provider);
        KeyStore store = KeyStore.getInstance("PKCS11", provider);
        store.load(null, arguments[1].toCharArray());
        System.out.println("entries: " + Collections.list(store.aliases()));
        for (String alias : Arrays.asList(arguments).subList(3, arguments.length)) {
            boolean isRsa = store.getCertificate(alias).getPublicKey().getAlgorithm().equals("RSA");
            for (String hash : arguments[2].split(",")) {
                sign(store, alias, hash + "with" + (isRsa ? "RSA" : "ECDSA"), null);
                if (isRsa && !hash.equals("SHA1")) {
                    sign(store, alias, "RSASSA-PSS", pss(hash));
                }
            }
        }
        encrypt();
        digest();
        threads(store);
        sessionKeys();
        System.out.println("done");
    }

    static PSSParameterSpec pss(String hash) throws Exception {
        String name = hash.replace("SHA", "SHA-");
        int salt = MessageDigest.getInstance(name).getDigestLength();
        return new PSSParameterSpec(name, "MGF1", new MGF1ParameterSpec(name), salt, 1);
    }

    static Signature signature(String algorithm, PSSParameterSpec pss, Provider by) throws Exception {
        Signature signature = by == null ? Signature.getInstance(algorithm) : Signature.getInstance(algorithm, by);
        if (pss != null) {
            signature.setParameter(pss);
        }
        return signature;
    }

    static void sign(KeyStore store, String alias, String algorithm, PSSParameterSpec pss) throws Exception {
        byte[] data = "some data".getBytes();
        Signature signer = signature(algorithm, pss, provider);
        signer.initSign((PrivateKey) store.getKey(alias, null));
        signer.update(data);
        byte[] signature = signer.sign();
        PublicKey key = store.getCertificate(alias).getPublicKey();
        // Once by the token and once by Java's own code.
        for (Signature verifier : List.of(signature(algorithm, pss, provider), signature(algorithm, pss, null))) {
            verifier.initVerify(key);
            verifier.update(data);
            check(verifier.verify(signature), algorithm + " by " + verifier.getProvider());
        }
        System.out.println(alias + ": " + algorithm + " verified");
    }

    static void encrypt() throws Exception {
        KeyGenerator generator = KeyGenerator.getInstance("AES", provider);
        generator.init(256);
        SecretKey key = generator.generateKey();
        byte[] data = new byte[1000];
        Arrays.fill(data, (byte) 7);
        Cipher cipher = Cipher.getInstance("AES/CBC/PKCS5Padding", provider);
        cipher.init(Cipher.ENCRYPT_MODE, key, new IvParameterSpec(new byte[16]));
        byte[] sealed = cipher.doFinal(data);
        cipher.init(Cipher.DECRYPT_MODE, key, new IvParameterSpec(new byte[16]));
        check(Arrays.equals(data, cipher.doFinal(sealed)), "AES-CBC");
        cipher = Cipher.getInstance("AES/GCM/NoPadding", provider);
        cipher.init(Cipher.ENCRYPT_MODE, key, new javax.crypto.spec.GCMParameterSpec(128, new byte[12]));
        cipher.updateAAD("header".getBytes());
        sealed = cipher.doFinal(data);
        cipher.init(Cipher.DECRYPT_MODE, key, new javax.crypto.spec.GCMParameterSpec(128, new byte[12]));
        cipher.updateAAD("header".getBytes());
        check(Arrays.equals(data, cipher.doFinal(sealed)), "AES-GCM");
        Mac mac = Mac.getInstance("HmacSHA256", provider);
        mac.init(new SecretKeySpec(new byte[40], "Generic"));
        Mac own = Mac.getInstance("HmacSHA256");
        own.init(new SecretKeySpec(new byte[40], "HmacSHA256"));
        check(Arrays.equals(mac.doFinal(data), own.doFinal(data)), "HMAC");
        System.out.println("encryption done");
    }

    static void digest() throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256", provider);
        digest.update("ab".getBytes());
        MessageDigest half = (MessageDigest) digest.clone();
        digest.update("c".getBytes());
        half.update("c".getBytes());
        byte[] own = MessageDigest.getInstance("SHA-256").digest("abc".getBytes());
        check(Arrays.equals(digest.digest(), own) && Arrays.equals(half.digest(), own), "cloned digest");
        SecureRandom.getInstance("PKCS11", provider).nextBytes(new byte[100]);
        System.out.println("digests done");
    }

    static void threads(KeyStore store) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<?>> all = new ArrayList<>();
        for (int thread = 0; thread < 8; thread++) {
            all.add(pool.submit(() -> {
                for (int round = 0; round < 25; round++) {
                    Signature signer = Signature.getInstance("SHA256withECDSA", provider);
                    signer.initSign((PrivateKey) store.getKey("ec", null));
                    signer.update(new byte[round + 1]);
                    byte[] signature = signer.sign();
                    signer.initVerify(store.getCertificate("ec").getPublicKey());
                    signer.update(new byte[round + 1]);
                    check(signer.verify(signature), "a signature on a thread");
                }
                return null;
            }));
        }
        for (Future<?> one : all) {
            one.get();
        }
        pool.shutdown();
        System.out.println("threads done");
    }

    // Session keys made in bulk; finalizers destroy them on other threads.
    static void sessionKeys() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", provider);
        generator.initialize(256);
        for (int round = 0; round < 200; round++) {
            generator.generateKeyPair();
            if (round % 50 == 0) {
                System.gc();
            }
        }
        System.out.println("session keys done");
    }

    static void check(boolean good, String what) {
        if (!good) {
            throw new IllegalStateException(what + " failed");
        }
    }
}
