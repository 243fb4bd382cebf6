package io.scorebridge.client;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.Status;
import io.grpc.StatusOr;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** Several gateways as one target: "host:port,host:port", which gRPC by itself does not know in Java. */
final class Targets {
  private static final String SCHEME = "scorebridge-targets";

  static {
    NameResolverRegistry.getDefaultRegistry().register(new Provider());
  }

  private Targets() {}

  static String of(String target) {
    return target.contains(",") ? SCHEME + ":///" + target.replace(" ", "") : target;
  }

  private static final class Provider extends NameResolverProvider {
    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return 4; // below the libraries' own
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
    public NameResolver newNameResolver(URI target, NameResolver.Args args) {
      return SCHEME.equals(target.getScheme()) ? new Resolver(target.getPath().substring(1), args) : null;
    }
  }

  private static final class Resolver extends NameResolver {
    private final String targets;
    private final Args args;
    private Listener2 listener;

    Resolver(String targets, Args args) {
      this.targets = targets;
      this.args = args;
    }

    @Override
    public String getServiceAuthority() {
      return targets.split(",")[0];
    }

    @Override
    public void start(Listener2 listener) {
      this.listener = listener;
      refresh();
    }

    @Override
    public void refresh() {
      args.getOffloadExecutor().execute(() -> {
        ResolutionResult result = resolve();
        args.getSynchronizationContext().execute(() -> listener.onResult2(result));
      });
    }

    @Override
    public void shutdown() {
      // Nothing is held.
    }

    private ResolutionResult resolve() {
      List<EquivalentAddressGroup> groups = new ArrayList<>();
      Status failure = Status.UNAVAILABLE;
      for (String one : targets.split(",")) {
        int colon = one.lastIndexOf(':');
        try {
          InetAddress[] addresses = InetAddress.getAllByName(one.substring(0, colon));
          int port = Integer.parseInt(one.substring(colon + 1));
          List<SocketAddress> sockets = new ArrayList<>();
          for (InetAddress address : addresses) {
            sockets.add(new InetSocketAddress(address, port));
          }
          groups.add(new EquivalentAddressGroup(sockets));
        } catch (UnknownHostException error) {
          failure = failure.withDescription("the host of " + one + " is not known").withCause(error);
        }
      }
      StatusOr<List<EquivalentAddressGroup>> found =
          groups.isEmpty() ? StatusOr.fromStatus(failure) : StatusOr.fromValue(groups);
      return ResolutionResult.newBuilder().setAddressesOrError(found).build();
    }
  }
}
