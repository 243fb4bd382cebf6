package io.scorebridge.client;

import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Presets a client's builder from environment variables, by the rules of the Python client's {@code from_env}. A
 * variable that is empty counts as not set. May be used by any thread.
 */
final class Environment {
  static final String URL = "SCOREBRIDGE_URL";
  static final String TOKEN_FILE = "SCOREBRIDGE_TOKEN_FILE";
  static final String TLS_CA = "SCOREBRIDGE_TLS_CA";
  static final String CLIENT_CERT = "SCOREBRIDGE_CLIENT_CERT";
  static final String CLIENT_KEY = "SCOREBRIDGE_CLIENT_KEY";
  static final String TIMEOUT_S = "SCOREBRIDGE_TIMEOUT_S";

  private static final Pattern SCHEME = Pattern.compile("(?is)(grpcs?)://(.*)");
  private static final Pattern SECONDS = Pattern.compile("[0-9]{1,9}(\\.[0-9]{1,9})?");
  private static final String FORMS =
      "give \"host:8081\", several of them between commas, or grpcs:// before them for TLS";
  private static final String NO_PAIR = " are not a certificate and its key in PEM (PKCS 8, without a password)";
  private static final Map<String, String> SIGNATURES = Map.of("RSA", "SHA256withRSA", "EC", "SHA256withECDSA");
  private static final Pattern PRIVATE_KEY =
      Pattern.compile("-----BEGIN PRIVATE KEY-----\\s+([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");
  private static final int NANO_DIGITS = 9;
  private static final int MOST_BYTES = 1 << 20; // a system's bundle of authorities has 250 KiB

  private final Map<String, String> variables;

  private Environment(Map<String, String> variables) {
    this.variables = variables;
  }

  /**
   * Returns a builder that the variables have preset.
   *
   * @throws IllegalArgumentException if SCOREBRIDGE_URL is not set, or a variable or file is not valid; the message
   *     names it, and never holds a token.
   * @throws UncheckedIOException if a file can't be read.
   */
  static ScoringClient.Builder builder(Map<String, String> variables) {
    return new Environment(variables).builder();
  }

  private ScoringClient.Builder builder() {
    String url = value(URL);
    if (url == null) {
      throw new IllegalArgumentException("the environment variable " + URL + " is not set: " + FORMS);
    }
    Matcher scheme = SCHEME.matcher(url.strip());
    String hosts = scheme.matches() ? scheme.group(2) : url.strip();
    if (scheme.matches() && hosts.contains("/")) {
      throw new IllegalArgumentException(URL + " has more than hosts and ports behind its scheme: " + FORMS);
    }
    ScoringClient.Builder builder = ScoringClient.newBuilder(hosts);
    if (scheme.matches() && scheme.group(1).equalsIgnoreCase("grpcs")) {
      builder.tls();
    } else if (scheme.matches()) {
      builder.plainText(url.strip());
    }
    presetFiles(builder);
    if (value(TOKEN_FILE) != null) {
      builder.tokenFile(Path.of(value(TOKEN_FILE)));
    }
    if (value(TIMEOUT_S) != null) {
      builder.timeout(seconds(value(TIMEOUT_S)));
    }
    return builder;
  }

  private void presetFiles(ScoringClient.Builder builder) {
    if (value(TLS_CA) != null) {
      checkAuthorities(Path.of(value(TLS_CA)));
      builder.tls(new File(value(TLS_CA)));
    }
    String certificate = value(CLIENT_CERT);
    String key = value(CLIENT_KEY);
    if ((certificate == null) != (key == null)) {
      throw new IllegalArgumentException(
          "the client's certificate and its key go together: set " + CLIENT_CERT + " and " + CLIENT_KEY + ", or neither");
    }
    if (certificate != null) {
      checkPair(certificate, key);
      builder.clientCertificate(new File(certificate), new File(key));
    }
  }

  private static void checkAuthorities(Path path) {
    byte[] content = SmallFiles.read(path, MOST_BYTES);
    try {
      if (!CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(content)).isEmpty()) {
        return;
      }
    } catch (CertificateException error) {
      throw new IllegalArgumentException(path + " holds no certificate in PEM", error);
    }
    throw new IllegalArgumentException(path + " holds no certificate in PEM");
  }

  private static void checkPair(String certificate, String key) {
    byte[] chain = SmallFiles.read(Path.of(certificate), MOST_BYTES);
    byte[] secret = SmallFiles.read(Path.of(key), MOST_BYTES);
    try {
      GrpcSslContexts.forClient().keyManager(new File(certificate), new File(key)).build();
      if (areOneAnothers(chain, secret)) {
        return;
      }
    } catch (GeneralSecurityException | IOException | IllegalArgumentException error) {
      throw new IllegalArgumentException(certificate + " and " + key + NO_PAIR, error);
    }
    throw new IllegalArgumentException(certificate + " and " + key + NO_PAIR);
  }

  /** Whether the certificate verifies what the key signs; also true for kinds of keys that are not looked at here. */
  private static boolean areOneAnothers(byte[] chain, byte[] secret) throws GeneralSecurityException {
    PublicKey shown =
        CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(chain)).getPublicKey();
    Matcher pem = PRIVATE_KEY.matcher(new String(secret, StandardCharsets.ISO_8859_1));
    if (!SIGNATURES.containsKey(shown.getAlgorithm()) || !pem.find()) {
      return true;
    }
    PKCS8EncodedKeySpec encoded = new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(pem.group(1)));
    PrivateKey own = KeyFactory.getInstance(shown.getAlgorithm()).generatePrivate(encoded);
    Signature signature = Signature.getInstance(SIGNATURES.get(shown.getAlgorithm()));
    signature.initSign(own);
    signature.update(chain);
    byte[] signed = signature.sign();
    signature.initVerify(shown);
    signature.update(chain);
    return signature.verify(signed);
  }

  private static Duration seconds(String text) {
    if (!SECONDS.matcher(text).matches()) {
      throw new IllegalArgumentException(TIMEOUT_S + " must be a number of seconds over 0, such as 0.5");
    }
    return Arguments.time(
        TIMEOUT_S, Duration.ofNanos(new BigDecimal(text).movePointRight(NANO_DIGITS).longValueExact()));
  }

  private String value(String name) {
    String value = variables.get(name);
    return value == null || value.isEmpty() ? null : value;
  }
}
