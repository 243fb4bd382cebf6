package io.scorebridge.client;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.ProxiedSocketAddress;
import io.grpc.Status;
import io.grpc.StatusOr;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * Looks up the host names of gateways, and does so again whenever the channel asks, at most twice a second, because a
 * gateway may move. gRPC's own resolver in Java takes no list of hosts, and caches addresses for 30 s. (The virtual
 * machine caches them for 30 s too, unless its security property {@code networkaddress.cache.ttl} says otherwise.) Used
 * by one channel, in the channel's synchronization context; the lookups run on other threads, which may wait.
 */
final class GatewayNames extends NameResolver {
  static final String SCHEME = "scorebridge-targets";

  /** The lookup of a channel; a channel without this argument looks names up as the machine does. */
  static final Args.Key<Lookup> LOOKUP = Args.Key.create("io.scorebridge.client.lookup");

  private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  static {
    NameResolverRegistry.getDefaultRegistry().register(new Provider());
  }

  private final String authority;
  private final List<Targets.HostPort> gateways;
  private final Args args;
  private final Lookup lookup;
  private final Pace pace = new Pace(PAUSE_NANOS);
  private Listener2 listener;
  private boolean looking; // used only in the channel's synchronization context, in which gRPC calls the methods below

  private GatewayNames(String targets, Args args) {
    this.authority = targets.split(",")[0];
    this.gateways = Targets.list(targets);
    this.args = args;
    Lookup given = args.getArg(LOOKUP);
    this.lookup = given == null ? InetAddress::getAllByName : given;
  }

  /** Looks up host names. Called by several threads at once; may wait. */
  interface Lookup {
    /** Returns the addresses of a host name; throws an UnknownHostException if it has none. */
    InetAddress[] addresses(String host) throws UnknownHostException;
  }

  /** Returns a lookup that, if a lookup fails, gives the last known addresses of the name. May be shared by threads. */
  static Lookup remembering(Lookup lookup) {
    Map<String, InetAddress[]> known = new ConcurrentHashMap<>();
    return host -> {
      try {
        InetAddress[] found = lookup.addresses(host);
        known.put(host, found);
        return found;
      } catch (UnknownHostException error) {
        InetAddress[] before = known.get(host);
        if (before == null) {
          throw error;
        }
        return before;
      }
    };
  }

  /** Makes the scheme known to gRPC: calling this loads the class, which registers the scheme once. */
  static void register() {}

  @Override
  public String getServiceAuthority() {
    return authority;
  }

  @Override
  public void start(Listener2 listener) {
    this.listener = listener;
    refresh();
  }

  @Override
  public void refresh() {
    if (looking || !pace.isDue(System.nanoTime())) {
      return; // a channel that finds no gateway asks again
    }
    looking = true;
    args.getOffloadExecutor()
        .execute(
            () -> {
              ResolutionResult result = resolve();
              args.getSynchronizationContext()
                  .execute(
                      () -> {
                        looking = false;
                        listener.onResult2(result);
                      });
            });
  }

  @Override
  public void shutdown() {
    // Nothing to release.
  }

  private ResolutionResult resolve() {
    List<EquivalentAddressGroup> found = new ArrayList<>();
    Status failure = Status.UNAVAILABLE;
    for (Targets.HostPort gateway : gateways) {
      try {
        found.add(new EquivalentAddressGroup(addresses(gateway)));
      } catch (IOException | RuntimeException error) {
        failure = failure.withDescription("the host '" + gateway.host() + "' has no known address").withCause(error);
      }
    }
    return ResolutionResult.newBuilder()
        .setAddressesOrError(found.isEmpty() ? StatusOr.fromStatus(failure) : StatusOr.fromValue(found))
        .build();
  }

  private List<SocketAddress> addresses(Targets.HostPort gateway) throws IOException {
    // As in gRPC's own resolver: with a proxy, the proxy looks the name up.
    ProxiedSocketAddress proxied =
        args.getProxyDetector().proxyFor(InetSocketAddress.createUnresolved(gateway.host(), gateway.port()));
    if (proxied != null) {
      return List.of(proxied);
    }
    List<SocketAddress> sockets = new ArrayList<>();
    for (InetAddress address : lookup.addresses(gateway.host())) {
      sockets.add(new InetSocketAddress(address, gateway.port()));
    }
    return sockets;
  }

  private static final class Provider extends NameResolverProvider {
    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return 4; // lower than gRPC's own resolvers
    }

    @Override
    public String getDefaultScheme() {
      return SCHEME;
    }

    @Override
    public Collection<Class<? extends SocketAddress>> getProducedSocketAddressTypes() {
      return List.of(InetSocketAddress.class);
    }

    @Override
    public NameResolver newNameResolver(URI target, Args args) {
      return SCHEME.equals(target.getScheme()) ? new GatewayNames(target.getPath().substring(1), args) : null;
    }
  }
}
