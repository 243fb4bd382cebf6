package io.scorebridge.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import java.util.concurrent.CompletionException;

/**
 * A call that brought no answer. May be shared by threads.
 *
 * @param status the gRPC status with which it ended.
 * @param message why it failed, in a sentence.
 * @param info the gateway's own word for it; null if it was not the gateway that said so.
 * @param cause what gRPC threw; null for a call that was not made.
 */
record FailedCall(Status.Code status, String message, ErrorInfo info, Throwable cause) {
  static final String CIRCUIT_OPEN = "CLIENT_CIRCUIT_OPEN";
  private static final String DOMAIN = "scorebridge.io";
  private static final Metadata.Key<com.google.rpc.Status> DETAILS =
      Metadata.Key.of(
          "grpc-status-details-bin", ProtoUtils.metadataMarshaller(com.google.rpc.Status.getDefaultInstance()));

  /** The call that ended with this exception of gRPC's, which a future may have wrapped. */
  static FailedCall of(Throwable raised) {
    Throwable error = raised instanceof CompletionException ? raised.getCause() : raised;
    Status status = Status.fromThrowable(error);
    String message = status.getDescription() == null ? status.getCode().name() : status.getDescription();
    return new FailedCall(status.getCode(), message, info(Status.trailersFromThrowable(error)), error);
  }

  /** A call that was not made, because no gateway has answered lately. */
  static FailedCall circuitOpen() {
    ErrorInfo info = ErrorInfo.newBuilder().setDomain(DOMAIN).setReason(CIRCUIT_OPEN).build();
    return new FailedCall(Status.Code.UNAVAILABLE, "no gateway has answered lately: none was asked", info, null);
  }

  /**
   * Why the call failed, as rows with a default score are told: the gateway's own name for it, or one like its names.
   */
  String reason() {
    return info == null ? eventName(status.name()) : info.getReason();
  }

  /** The name that rows are told of a status or reason, so that gateway and client have one name for a deadline. */
  static String eventName(String reason) {
    return reason.equals(Status.Code.DEADLINE_EXCEEDED.name()) ? "DEADLINE" : reason;
  }

  /** Whether no gateway gave a sign of life. */
  boolean ofConnection() {
    return info == null && (status == Status.Code.UNAVAILABLE || status == Status.Code.DEADLINE_EXCEEDED);
  }

  /** Whether the caller's default may stand for the scores, because the call failed by no fault of the caller. */
  boolean fallsBack() {
    return switch (status) {
      case INVALID_ARGUMENT, NOT_FOUND, UNAUTHENTICATED, PERMISSION_DENIED, CANCELLED -> false;
      case RESOURCE_EXHAUSTED -> info != null; // without: a message that is too large for one of the libraries
      default -> true;
    };
  }

  /** What the caller gets where no default stands for the scores: the class of exception for the status. */
  ScoringException exception() {
    String name = info == null ? status.name() : info.getReason();
    return switch (status) {
      case INVALID_ARGUMENT -> new ScoringException.InvalidRequest(message, name, status, cause);
      case NOT_FOUND -> new ScoringException.ModelNotFound(message, name, status, cause);
      case FAILED_PRECONDITION -> new ScoringException.VersionRefused(message, name, status, cause);
      case UNAUTHENTICATED, PERMISSION_DENIED -> new ScoringException.NotAllowed(message, name, status, cause);
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
        return null; // then it is as good as none
      }
    }
    return null;
  }
}
