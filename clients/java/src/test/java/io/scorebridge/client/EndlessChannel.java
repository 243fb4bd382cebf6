package io.scorebridge.client;

import io.grpc.ManagedChannel;
import java.util.concurrent.TimeUnit;

/** A channel that is never shut down, whoever asks. */
abstract class EndlessChannel extends ManagedChannel {
  @Override
  public ManagedChannel shutdown() {
    return this;
  }

  @Override
  public ManagedChannel shutdownNow() {
    return this;
  }

  @Override
  public boolean isShutdown() {
    return false;
  }

  @Override
  public boolean isTerminated() {
    return false;
  }

  @Override
  public boolean awaitTermination(long timeout, TimeUnit unit) {
    return true;
  }
}
