package io.scorebridge.client;

import io.grpc.NameResolverRegistry;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Checks targets: "host:port", several of them between commas, or a target with a scheme that gRPC knows. Throws an
 * IllegalArgumentException for anything else, before any name is looked up. May be used by any thread.
 */
final class Targets {
  private static final Pattern SCHEME = Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*):(.*)");
  private static final Pattern HOST = Pattern.compile("[^\\s:/?#@%\\[\\]\\\\\"<>]+");
  private static final Pattern IPV6 = Pattern.compile("\\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%[^\\s\\[\\]/]+)?]");
  private static final Pattern NUMBER = Pattern.compile("((0|[1-9][0-9]{0,2})\\.){3}(0|[1-9][0-9]{0,2})");
  private static final Pattern DNS = Pattern.compile("(?i)dns:(?:///)?(\\[[^\\[\\]/]*]|[^/:\\[\\]]*)(?::[0-9]*)?");
  private static final Set<String> OF_GRPC = Set.of("ipv4", "ipv6", "passthrough", "unix-abstract", "vsock", "xds");
  private static final String SHAPE = "give \"host:port\", or several of them between commas";

  static {
    GatewayNames.register();
  }

  private Targets() {}

  /** A gateway's host (a name, an IPv4 address, or an IPv6 address in brackets) and its port, 1 to 65535. */
  record HostPort(String host, int port) {}

  /** Returns a target in the form that grpc-java takes; throws an IllegalArgumentException if it is not valid. */
  static String of(String target) {
    String trimmed = target.strip();
    if (trimmed.isEmpty()) {
      throw refused("is blank: " + SHAPE);
    }
    String scheme = scheme(trimmed);
    if (scheme == null) {
      return uri(list(trimmed));
    }
    if (scheme.equals("http") || scheme.equals("https")) {
      throw refused("begins with " + scheme + "://: " + SHAPE + "; tls() encrypts the connection");
    }
    if (NameResolverRegistry.getDefaultRegistry().getProviderForScheme(scheme) == null) {
      throw refused("has the scheme '" + scheme + "', for which the class path has no resolver: " + SHAPE);
    }
    if (scheme.equals("dns") && trimmed.contains(",")) {
      throw refused("has the scheme 'dns', which takes no list: " + SHAPE + ", without a scheme");
    }
    return trimmed;
  }

  /** Returns the gateways of a list such as "host:port,host:port"; throws an IllegalArgumentException for a bad one. */
  static List<HostPort> list(String target) {
    List<HostPort> gateways = new ArrayList<>();
    for (String entry : target.split(",", -1)) {
      String where = target.contains(",") ? "entry " + (gateways.size() + 1) + " of the list " : "";
      gateways.add(hostPort(entry.strip(), where));
    }
    return gateways;
  }

  /**
   * Whether what is sent to a target stays on this machine: every host is "localhost" or a loopback address, or the
   * target is a Unix socket. Nothing is looked up. Throws an IllegalArgumentException for a target that is not valid.
   */
  static boolean areLocal(String target) {
    String trimmed = target.strip();
    of(trimmed);
    String scheme = scheme(trimmed);
    if (scheme == null) {
      return list(trimmed).stream().allMatch(one -> isLoopback(one.host()));
    }
    if (!scheme.equals("dns")) {
      return scheme.equals("unix");
    }
    // A name server of the target's own ("dns://server/host:port") may know "localhost" as any machine.
    Matcher host = DNS.matcher(trimmed);
    return host.matches() && isLoopback(host.group(1));
  }

  private static boolean isLoopback(String host) {
    if (host.equalsIgnoreCase("localhost")) {
      return true;
    }
    try {
      // Java looks up no name for a number or what is in brackets.
      return (NUMBER.matcher(host).matches() || isIpv6(host)) && InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException error) {
      return false;
    }
  }

  /**
   * Returns the scheme of a target, or null: "db:5432" and "dns:5432" have none, as a host and a port; "dns:name" has.
   */
  private static String scheme(String target) {
    Matcher parts = SCHEME.matcher(target);
    if (!parts.matches()) {
      return null;
    }
    String scheme = parts.group(1).toLowerCase(Locale.ROOT);
    boolean known =
        OF_GRPC.contains(scheme) || NameResolverRegistry.getDefaultRegistry().getProviderForScheme(scheme) != null;
    boolean isHost = parts.group(2).split(",", 2)[0].strip().matches("[0-9]*");
    return parts.group(2).startsWith("/") || known && !isHost ? scheme : null;
  }

  private static HostPort hostPort(String entry, String where) {
    if (entry.isEmpty()) {
      throw refused(where + "is empty: " + SHAPE);
    }
    if (entry.contains("://")) {
      throw refused(where + "has a scheme: " + SHAPE + ", without a scheme");
    }
    int colon = entry.lastIndexOf(':');
    boolean closed = entry.endsWith("]");
    String host = colon < 0 || closed ? entry : entry.substring(0, colon);
    if (host.startsWith("[") ? !isIpv6(host) : host.contains(":")) {
      throw refused(where + "is not a host and a port: write an IPv6 address in brackets, '[::1]:8081'");
    }
    if (colon < 0 || closed) {
      throw refused(where + "has no port: " + SHAPE);
    }
    if (!host.startsWith("[") && !HOST.matcher(host).matches()) {
      throw refused(where + "has no valid host name: " + SHAPE);
    }
    String port = entry.substring(colon + 1);
    int number = port.matches("[0-9]{1,5}") ? Integer.parseInt(port) : 0;
    if (number < 1 || number > 65_535) {
      throw refused(where + "has a port that is not a number from 1 to 65535");
    }
    return new HostPort(host, number);
  }

  /** Whether a text is an IPv6 address in brackets. Java looks up no name for such a text. */
  private static boolean isIpv6(String host) {
    try {
      return IPV6.matcher(host).matches() && InetAddress.getByName(host) != null;
    } catch (UnknownHostException error) {
      return false;
    }
  }

  private static String uri(List<HostPort> gateways) {
    List<String> entries = gateways.stream().map(one -> one.host() + ":" + one.port()).toList();
    try {
      return new URI(GatewayNames.SCHEME, "", "/" + String.join(",", entries), null).toString();
    } catch (URISyntaxException error) {
      throw new IllegalArgumentException("the target can't be written as a URI", error);
    }
  }

  private static IllegalArgumentException refused(String why) {
    return new IllegalArgumentException("target: " + why);
  }
}
