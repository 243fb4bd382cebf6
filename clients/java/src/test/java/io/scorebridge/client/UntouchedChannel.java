package io.scorebridge.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts whatever is done to it but calls. */
final class UntouchedChannel extends EndlessChannel {
  private final ManagedChannel real;
  private final AtomicInteger touched;

  UntouchedChannel(ManagedChannel real, AtomicInteger touched) {
    this.real = real;
    this.touched = touched;
  }

  @Override
  public <ReqT, RespT> ClientCall<ReqT, RespT> newCall(
      MethodDescriptor<ReqT, RespT> method, CallOptions callOptions) {
    return real.newCall(method, callOptions);
  }

  @Override
  public void resetConnectBackoff() {
    touched.incrementAndGet();
  }

  @Override
  public void enterIdle() {
    touched.incrementAndGet();
  }

  @Override
  public ManagedChannel shutdown() {
    touched.incrementAndGet();
    return this;
  }

  @Override
  public ManagedChannel shutdownNow() {
    touched.incrementAndGet();
    return this;
  }

  @Override
  public String authority() {
    return real.authority();
  }
}
