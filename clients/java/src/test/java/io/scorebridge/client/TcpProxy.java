package io.scorebridge.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/** A path to a gateway that can be refused, hang up, or go silent with its sockets open. */
final class TcpProxy implements AutoCloseable {
  private final InetAddress address;
  private final int port;
  private final String host;
  private final int upstreamPort;
  private final List<Path> paths = new ArrayList<>();
  private ServerSocket server;
  private boolean silent;
  private boolean hangingUp;
  private int connections;

  /** Listens at a port of an address; 0 is any. */
  TcpProxy(String address, int port, String upstream) throws IOException {
    this.address = InetAddress.getByName(address);
    this.host = upstream.substring(0, upstream.lastIndexOf(':'));
    this.upstreamPort = Integer.parseInt(upstream.substring(upstream.lastIndexOf(':') + 1));
    this.port = listen(port);
  }

  TcpProxy(String upstream) throws IOException {
    this("127.0.0.1", 0, upstream);
  }

  int port() {
    return port;
  }

  String target() {
    return address.getHostAddress() + ":" + port;
  }

  /** Breaks all connections and refuses new ones. */
  synchronized void refuse() throws IOException {
    server.close();
    paths.forEach(Path::close);
    paths.clear();
  }

  /** Swallows what comes both ways on the connections there are, for good; new ones are accepted, and as silent. */
  synchronized void swallow() {
    silent = true;
    paths.forEach(path -> path.silent = true);
  }

  /** Breaks all connections, and new ones as soon as they come. */
  synchronized void hangUp() {
    hangingUp = true;
    paths.forEach(Path::close);
    paths.clear();
  }

  /** New connections pass again. */
  synchronized void pass() {
    silent = false;
    hangingUp = false;
  }

  /** How many connections came, refused ones not counted. */
  synchronized int connections() {
    return connections;
  }

  @Override
  public void close() throws IOException {
    refuse();
  }

  private synchronized int listen(int at) throws IOException {
    ServerSocket opened = new ServerSocket(at, 50, address);
    server = opened;
    start(() -> accept(opened));
    return opened.getLocalPort();
  }

  private void accept(ServerSocket opened) {
    try {
      while (true) {
        add(new Path(opened.accept()));
      }
    } catch (IOException closed) {
      // Refused from now on.
    }
  }

  /** A connection may have been accepted just before {@link #refuse} got the lock; it is refused too. */
  private synchronized void add(Path path) throws IOException {
    if (server.isClosed()) {
      path.close();
      return;
    }
    connections++;
    if (hangingUp) {
      path.close();
      return;
    }
    path.silent = silent;
    paths.add(path);
    path.begin(new Socket(host, upstreamPort));
  }

  private static void start(Runnable run) {
    Thread thread = new Thread(run);
    thread.setDaemon(true);
    thread.start();
  }

  private static final class Path {
    private final Socket down;
    private volatile Socket up;
    private volatile boolean silent;

    Path(Socket down) {
      this.down = down;
    }

    void begin(Socket upstream) {
      up = upstream;
      start(() -> pump(down, up));
      start(() -> pump(up, down));
    }

    private void pump(Socket from, Socket to) {
      byte[] bytes = new byte[65536];
      try {
        for (int count = from.getInputStream().read(bytes); count >= 0; count = from.getInputStream().read(bytes)) {
          if (!silent) {
            to.getOutputStream().write(bytes, 0, count);
          }
        }
      } catch (IOException broken) {
        // Ends as if it had been closed.
      }
      if (!silent) {
        close();
      }
    }

    void close() {
      try {
        down.close();
        if (up != null) {
          up.close();
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }
}
