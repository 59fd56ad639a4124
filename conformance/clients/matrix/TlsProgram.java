// SPDX-License-Identifier: MIT
import java.security.KeyStore;
import java.security.Provider;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class TlsProgram {
    /** TLS with the keys of the token: for a server, and for a client that shows a certificate. */
    static SSLContext context(String configuration, char[] pin) throws Exception {
        Provider provider = Security.getProvider("SunPKCS11").configure(configuration);
        Security.addProvider(provider);
        KeyStore token = KeyStore.getInstance("PKCS11", provider);
        token.load(null, pin);
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(token, null);
        // Whom to trust: here, the certificates of the token itself.
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        for (String alias : java.util.Collections.list(token.aliases())) {
            trusted.setCertificateEntry(alias, token.getCertificate(alias));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    /** Arguments: the provider's configuration, the PIN. Both sides have a key of the token. */
    public static void main(String[] arguments) throws Exception {
        SSLContext context = context(arguments[0], arguments[1].toCharArray());
        // In TLS 1.3 the kind of the key is no part of the cipher suite.
        for (String[] row : new String[][] {{"TLSv1.2", "RSA"}, {"TLSv1.2", "EC"}, {"TLSv1.3", "any"}}) {
            exchange(context, row[0], row[1]);
            System.out.println(row[0] + " " + row[1] + ": done");
        }
    }

    static void exchange(SSLContext context, String version, String kind) throws Exception {
        try (SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(
                0, 1, java.net.InetAddress.getLoopbackAddress())) {
            listener.setNeedClientAuth(true);
            CompletableFuture<String> served = CompletableFuture.supplyAsync(() -> {
                try (SSLSocket peer = (SSLSocket) listener.accept()) {
                    peer.getOutputStream().write(peer.getInputStream().read() + 1);
                    X509Certificate shown = (X509Certificate) peer.getSession().getPeerCertificates()[0];
                    return shown.getPublicKey().getAlgorithm();
                } catch (Exception failure) {
                    throw new RuntimeException(failure);
                }
            });
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("localhost", listener.getLocalPort())) {
                SSLParameters wanted = socket.getSSLParameters();
                wanted.setProtocols(new String[] {version});
                wanted.setEndpointIdentificationAlgorithm("HTTPS");
                if (version.equals("TLSv1.2")) {
                    String signature = kind.equals("RSA") ? "RSA" : "ECDSA";
                    wanted.setCipherSuites(new String[] {"TLS_ECDHE_" + signature + "_WITH_AES_128_GCM_SHA256"});
                }
                socket.setSSLParameters(wanted);
                socket.getOutputStream().write(41);
                expect(socket.getInputStream().read() == 42, "the server's answer");
                String key = socket.getSession().getPeerCertificates()[0].getPublicKey().getAlgorithm();
                expect(version.equals("TLSv1.3") || key.equals(kind), "a key of the server's of kind " + key);
            }
            expect(served.get() != null, "a key of the client's");
        }
    }

    static void expect(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException(what);
        }
    }
}
