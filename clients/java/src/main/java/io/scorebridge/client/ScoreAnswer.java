package io.scorebridge.client;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.scorebridge.v1.Column;
import io.scorebridge.v1.ScoreResponse;
import java.lang.reflect.Array;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads a gateway's answer to a call that scores. May be used by any thread. */
final class ScoreAnswer {
  private ScoreAnswer() {}

  /** Returns the scores in an answer; throws a StatusRuntimeException if the answer does not fit the number of rows. */
  static Scores read(ScoreResponse response, int rows) {
    Map<String, Object> outputs = new LinkedHashMap<>();
    for (Column column : response.getScoresList()) {
      outputs.put(column.getName(), values(column, rows));
    }
    if (rows > 0 && outputs.isEmpty()) {
      throw senseless("it has no scores for " + rows + " rows");
    }
    List<DefaultedRows> defaults =
        response.getDefaultedRowsList().stream().map(range -> DefaultedRows.read(range, rows)).toList();
    List<FailedRows> failures =
        response.getFailedRowsList().stream().map(range -> FailedRows.read(range, rows)).toList();
    return new Scores(
        response.getRequestId(), answeredBy(response, rows), rows, outputs, source(response), defaults, failures);
  }

  /**
   * Returns the error for a gateway's answer that makes no sense, with the status that gRPC gives unreadable answers.
   *
   * @param what what is wrong with the answer, for the message.
   */
  static StatusRuntimeException senseless(String what) {
    return Status.INTERNAL.withDescription("the gateway's answer makes no sense: " + what).asRuntimeException();
  }

  private static Source source(ScoreResponse response) {
    return switch (response.getSource()) {
      case SCORE_SOURCE_MODEL -> Source.MODEL;
      case SCORE_SOURCE_DEFAULT -> Source.DEFAULT;
      case SCORE_SOURCE_MIXED -> Source.MIXED;
      default ->
          throw senseless(
              "its source of scores is " + response.getSourceValue() + ", which this client does not know");
    };
  }

  private static AnsweredBy answeredBy(ScoreResponse response, int rows) {
    return new AnsweredBy(
        response.getModel(),
        response.getVersion(),
        response.getDigest(),
        response.getAttempts(),
        ProtoTimes.duration(response.getQueueTime()),
        ProtoTimes.duration(response.getBackendTime()),
        response.getLookupsList().stream().map(lookup -> Lookup.read(lookup, rows)).toList());
  }

  private static Object values(Column column, int rows) {
    Object values = values(column);
    if (Array.getLength(values) != rows) {
      throw senseless("it has " + Array.getLength(values) + " scores for " + rows + " rows");
    }
    for (int row : column.getMissingRowsList()) {
      if (Integer.compareUnsigned(row, rows) >= 0) {
        String missing = Integer.toUnsignedString(row);
        throw senseless("it reports row " + missing + " as missing, but the call had " + rows + " rows");
      }
      if (values instanceof double[] numbers) {
        numbers[row] = Double.NaN;
      } else {
        Array.set(values, row, null);
      }
    }
    return values;
  }

  private static Object values(Column column) {
    return switch (column.getValuesCase()) {
      case FLOATS -> column.getFloats().getValuesList().stream().mapToDouble(Float::doubleValue).toArray();
      case INT32S -> column.getInt32S().getValuesList().stream().mapToDouble(Integer::doubleValue).toArray();
      case INT64S -> column.getInt64S().getValuesList().toArray(new Number[0]);
      case BOOLS -> column.getBools().getValuesList().stream().mapToDouble(one -> one ? 1 : 0).toArray();
      case STRINGS -> column.getStrings().getValuesList().toArray(new String[0]);
      default -> column.getDoubles().getValuesList().stream().mapToDouble(Double::doubleValue).toArray();
    };
  }
}
