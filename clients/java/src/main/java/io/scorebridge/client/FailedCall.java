package io.scorebridge.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import java.util.Set;
import java.util.concurrent.CompletionException;

/**
 * A call that brought no scores and no answer about models. May be shared by threads.
 *
 * @param status the gRPC status with which the call ended.
 * @param message a sentence that says why the call failed.
 * @param info the gateway's name for the event; null if the error does not come from the gateway.
 * @param cause the exception of gRPC; null for a call that was not sent.
 */
record FailedCall(Status.Code status, String message, ErrorInfo info, Throwable cause) {
  static final String CIRCUIT_OPEN = "CLIENT_CIRCUIT_OPEN";

  /** Reasons that share the status of a version that was refused, but are nobody's fault that calls. */
  private static final Set<String> OF_LOOKUPS = Set.of("FEATURES_MISSING", "FEATURES_STALE");

  private static final String DOMAIN = "scorebridge.io";
  private static final Metadata.Key<com.google.rpc.Status> DETAILS =
      Metadata.Key.of(
          "grpc-status-details-bin", ProtoUtils.metadataMarshaller(com.google.rpc.Status.getDefaultInstance()));

  /** Returns the failed call for an exception of gRPC, which a future may have wrapped. */
  static FailedCall of(Throwable raised) {
    Throwable error = raised instanceof CompletionException ? raised.getCause() : raised;
    Status status = Status.fromThrowable(error);
    String message = status.getDescription() == null ? status.getCode().name() : status.getDescription();
    return new FailedCall(status.getCode(), message, info(Status.trailersFromThrowable(error)), error);
  }

  /** Returns the failed call for one that was not sent, because the client's circuit is open. */
  static FailedCall circuitOpen() {
    ErrorInfo info = ErrorInfo.newBuilder().setDomain(DOMAIN).setReason(CIRCUIT_OPEN).build();
    String why = "no gateway has answered lately, so the client did not send this call: its circuit is open";
    return new FailedCall(Status.Code.UNAVAILABLE, why, info, null);
  }

  /** Returns the reason that rows with a default score carry: the gateway's name for the event, or the status' name. */
  String reason() {
    return info == null ? eventName(status.name()) : info.getReason();
  }

  /** Returns the reason that rows carry for a status or reason: DEADLINE for DEADLINE_EXCEEDED, as the gateway says. */
  static String eventName(String reason) {
    return reason.equals(Status.Code.DEADLINE_EXCEEDED.name()) ? "DEADLINE" : reason;
  }

  /** Whether the call failed without any answer of a gateway: the connection failed, or the deadline passed. */
  boolean ofConnection() {
    return info == null && (status == Status.Code.UNAVAILABLE || status == Status.Code.DEADLINE_EXCEEDED);
  }

  /** Whether a default score may stand for the scores, because the failure is not the caller's fault. */
  boolean fallsBack() {
    if (lookupFailed()) {
      return true;
    }
    return switch (status) {
      case INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNAUTHENTICATED, PERMISSION_DENIED, CANCELLED -> false;
      case RESOURCE_EXHAUSTED -> info != null; // else a gRPC library found the message too large
      default -> true;
    };
  }

  /** Returns the exception for the caller, of the class that belongs to the status or the reason. */
  ScoringException exception() {
    String name = info == null ? status.name() : info.getReason();
    if (lookupFailed()) {
      return new ScoringException.LookupFailed(message, name, status, cause);
    }
    return switch (status) {
      case INVALID_ARGUMENT -> new ScoringException.InvalidRequest(message, name, status, cause);
      case NOT_FOUND -> new ScoringException.ModelNotFound(message, name, status, cause);
      case FAILED_PRECONDITION -> new ScoringException.VersionRefused(message, name, status, cause);
      case UNAUTHENTICATED -> new ScoringException.Unauthenticated(message, name, status, cause);
      case PERMISSION_DENIED -> new ScoringException.PermissionDenied(message, name, status, cause);
      case CANCELLED -> new ScoringException.Cancelled(message, name, status, cause);
      case DEADLINE_EXCEEDED -> new ScoringException.DeadlineExceeded(message, name, status, cause);
      case UNAVAILABLE -> new ScoringException.Unavailable(message, name, status, cause);
      case INTERNAL -> new ScoringException.PredictionFailed(message, name, status, cause);
      case RESOURCE_EXHAUSTED ->
          info == null
              ? new ScoringException.MessageTooLarge(message, name, status, cause)
              : new ScoringException.Unavailable(message, name, status, cause);
      default -> new ScoringException(message, name, status, cause);
    };
  }

  private boolean lookupFailed() {
    return info != null && OF_LOOKUPS.contains(info.getReason());
  }

  private static ErrorInfo info(Metadata trailers) {
    com.google.rpc.Status details = trailers == null ? null : trailers.get(DETAILS);
    if (details == null) {
      return null;
    }
    for (Any detail : details.getDetailsList()) {
      if (!detail.is(ErrorInfo.class)) {
        continue;
      }
      try {
        ErrorInfo info = detail.unpack(ErrorInfo.class);
        if (info.getDomain().equals(DOMAIN)) {
          return info;
        }
      } catch (InvalidProtocolBufferException damaged) {
        return null; // details that can't be read count as none
      }
    }
    return null;
  }
}
