package io.scorebridge.client;

import io.grpc.ClientCall;
import io.grpc.Metadata;

/** A call that reaches nobody, and ends when a test says so. */
class SilentCall<ReqT, RespT> extends ClientCall<ReqT, RespT> {
  @Override
  public void start(Listener<RespT> listener, Metadata headers) {}

  @Override
  public void request(int messages) {}

  @Override
  public void cancel(String message, Throwable cause) {}

  @Override
  public void halfClose() {}

  @Override
  public void sendMessage(ReqT message) {}
}
