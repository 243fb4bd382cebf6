package io.scorebridge.client;

import io.grpc.Status;

/**
 * A call that brought no scores. The subclasses say whose fault it was; {@link #reason()} tells the events apart.
 */
public class ScoringException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The event, as the gateway names it. */
  private final String reason;

  /** The status of the call. */
  private final Status.Code status;

  /** The rows of a big batch that the message counts from; empty for a call of its own. */
  private String where = "";

  ScoringException(String message, String reason, Status.Code status, Throwable cause) {
    super(message, cause);
    this.reason = reason;
    this.status = status;
  }

  /**
   * The event.
   *
   * @return its UPPER_SNAKE name, such as CIRCUIT_OPEN; the gRPC status' name if the gateway gave none.
   */
  public String reason() {
    return reason;
  }

  /**
   * The gRPC status.
   *
   * @return its code.
   */
  public Status.Code status() {
    return status;
  }

  /**
   * What happened.
   *
   * @return a sentence.
   */
  @Override
  public String getMessage() {
    return where + super.getMessage();
  }

  /** Says which rows of a big batch the message, which counts from the first of them, is about. */
  void ofRows(int first, int last) {
    where = "rows " + first + " to " + last + " of the batch: ";
  }

  /** Mend the call: trying again gives the same. */
  public static class CallerError extends ScoringException {
    private static final long serialVersionUID = 1L;

    CallerError(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** Columns, types, lengths, values or sizes that the model can't take; the message names them. */
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

  /** No such model or version. */
  public static final class ModelNotFound extends CallerError {
    private static final long serialVersionUID = 1L;

    ModelNotFound(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The version did not pass its own checks. */
  public static final class VersionRefused extends CallerError {
    private static final long serialVersionUID = 1L;

    VersionRefused(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The gateway does not know who calls, or does not allow it. */
  public static final class NotAllowed extends CallerError {
    private static final long serialVersionUID = 1L;

    NotAllowed(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The call was cancelled. */
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

  /** Not now; {@link #reason()} says why. */
  public static final class Unavailable extends ScoringException {
    private static final long serialVersionUID = 1L;

    Unavailable(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }

  /** The model raised, or answered with something that is no score. */
  public static final class PredictionFailed extends ScoringException {
    private static final long serialVersionUID = 1L;

    PredictionFailed(String message, String reason, Status.Code status, Throwable cause) {
      super(message, reason, status, cause);
    }
  }
}
