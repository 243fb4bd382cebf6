package io.scorebridge.client;

import io.grpc.Status;

/**
 * A call that brought no scores, or no answer about models. The subclass says whose fault it was; {@link #reason()}
 * says why. May be shared by threads.
 */
public class ScoringException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Why the call failed, by the gateway's own name. */
  private final String reason;

  /** The gRPC status with which the call ended. */
  private final Status.Code status;

  /** The beginning of the message that names the rows of a big batch's chunk; empty for any other call. */
  private String where = "";

  /** Made by {@link FailedCall#exception}; the cause is null for a call that was not sent. */
  ScoringException(String message, String reason, Status.Code status, Throwable cause) {
    super(message, cause);
    this.reason = reason;
    this.status = status;
  }

  /**
   * Why the call failed, for programs.
   *
   * @return an UPPER_SNAKE name, such as CIRCUIT_OPEN; the gRPC status' name if the gateway gave none.
   */
  public String reason() {
    return reason;
  }

  /**
   * The gRPC status with which the call ended.
   *
   * @return the status' code, such as UNAVAILABLE.
   */
  public Status.Code status() {
    return status;
  }

  /**
   * Why the call failed, for people.
   *
   * @return a sentence without input values; for a chunk of a big batch it begins with the rows of the chunk.
   */
  @Override
  public String getMessage() {
    return where + super.getMessage();
  }

  /** Prefixes the message with a chunk's rows in its batch: the gateway counts rows from the first of the chunk. */
  void ofRows(int first, int last) {
    where = "rows " + first + " to " + last + " of the batch: ";
  }

  /** The call must be mended; the unchanged call would fail again. */
  public static class CallerError extends ScoringException {
    private static final long serialVersionUID = 1L;

    CallerError(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The rows have columns, types, lengths or values that the model can't take; the message names them. */
  public static final class InvalidRequest extends CallerError {
    private static final long serialVersionUID = 1L;

    InvalidRequest(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The request is over the gateway's message limit; send fewer rows at a time. */
  public static final class MessageTooLarge extends CallerError {
    private static final long serialVersionUID = 1L;

    MessageTooLarge(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The gateway has no such model or version. */
  public static final class ModelNotFound extends CallerError {
    private static final long serialVersionUID = 1L;

    ModelNotFound(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The version did not pass its own checks when the gateway loaded it, and scores nothing. */
  public static final class VersionRefused extends CallerError {
    private static final long serialVersionUID = 1L;

    VersionRefused(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The gateway does not know who calls, or does not allow the call. */
  public static class NotAllowed extends CallerError {
    private static final long serialVersionUID = 1L;

    NotAllowed(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The gateway does not know who calls: the token or certificate is missing, wrong or not valid any more. */
  public static final class Unauthenticated extends NotAllowed {
    private static final long serialVersionUID = 1L;

    Unauthenticated(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The gateway knows who calls, and does not allow this caller the model or method. */
  public static final class PermissionDenied extends NotAllowed {
    private static final long serialVersionUID = 1L;

    PermissionDenied(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /**
   * There are no features for the keys in the call, and no default score to give. {@link #reason()} is FEATURES_MISSING
   * if a key is in no feature batch that may be used, FEATURES_STALE if the batch is older than the model's author
   * allows. A store that does not answer is {@link Unavailable}, with the reason STORE_UNAVAILABLE.
   */
  public static final class LookupFailed extends ScoringException {
    private static final long serialVersionUID = 1L;

    LookupFailed(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The call was cancelled: by its future, or by an interrupt of the waiting thread. */
  public static final class Cancelled extends ScoringException {
    private static final long serialVersionUID = 1L;

    Cancelled(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** No score came in time, and there is no default score to give. */
  public static final class DeadlineExceeded extends ScoringException {
    private static final long serialVersionUID = 1L;

    DeadlineExceeded(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** Gateways can't score the call now, but may do so later; {@link #reason()} says why. */
  public static final class Unavailable extends ScoringException {
    private static final long serialVersionUID = 1L;

    Unavailable(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The model raised an error, or answered with something that is not a score. */
  public static final class PredictionFailed extends ScoringException {
    private static final long serialVersionUID = 1L;

    PredictionFailed(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }
}
