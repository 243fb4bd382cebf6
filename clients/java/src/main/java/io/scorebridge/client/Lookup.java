package io.scorebridge.client;

import io.scorebridge.v1.DefaultReason;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the features of one lookup came from, in one call. Immutable; may be shared by threads. Only the client makes
 * it, and a later release may add components: read it by its accessors.
 *
 * @param name the lookup's name in the model's settings.
 * @param group the feature group.
 * @param batch the feature batch that the rows were read from: all of them, except those that {@code previousRows}
 *     counts. Of a group that a stream writes, the day. Empty if none was read.
 * @param age the time since that batch was published; null for a group that a stream writes, and if no batch was read.
 * @param previousRows how many rows have their features from the batch before it, which still has their keys.
 * @param missingRows how many rows have no features.
 * @param failure why no row was looked up, as an UPPER_SNAKE name such as STORE_UNAVAILABLE; null if rows were. A
 *     reason that only a newer client knows is named by its number, such as REASON_42.
 */
public record Lookup(
    String name, String group, String batch, Duration age, int previousRows, int missingRows, String failure) {
  /** Reads a lookup; throws a StatusRuntimeException if it counts more rows than the call has. */
  static Lookup read(io.scorebridge.v1.Lookup lookup, int rows) {
    long previous = Integer.toUnsignedLong(lookup.getPreviousRows());
    long missing = Integer.toUnsignedLong(lookup.getMissingRows());
    long most = Math.max(previous, missing);
    if (most > rows) {
      throw ScoreAnswer.senseless(
          "lookup '" + lookup.getName() + "' counts " + most + " rows, but the call had " + rows + " rows");
    }
    boolean failed = lookup.getFailure() != DefaultReason.DEFAULT_REASON_UNSPECIFIED;
    return new Lookup(
        lookup.getName(),
        lookup.getGroup(),
        lookup.getBatch(),
        lookup.hasAge() ? ProtoTimes.duration(lookup.getAge()) : null,
        (int) previous,
        (int) missing,
        failed ? DefaultedRows.name(lookup.getFailure(), lookup.getFailureValue()) : null);
  }

  /**
   * Returns the lookups of a whole batch. Chunks that were answered from the same batch, or failed for the same reason,
   * count as one: its rows are the sum of theirs, its age is the longest.
   *
   * @param chunks the lookups of all chunks, in the order of the rows.
   */
  static List<Lookup> together(List<Lookup> chunks) {
    Map<String, Map<List<String>, Lookup>> joined = new LinkedHashMap<>();
    for (Lookup lookup : chunks) {
      List<String> alike = List.of(lookup.group, lookup.batch, lookup.failure == null ? "" : lookup.failure);
      joined.computeIfAbsent(lookup.name, first -> new LinkedHashMap<>()).merge(alike, lookup, Lookup::plus);
    }
    List<Lookup> together = new ArrayList<>();
    joined.values().forEach(lookups -> together.addAll(lookups.values()));
    return List.copyOf(together);
  }

  private Lookup plus(Lookup other) {
    boolean older = age == null || (other.age != null && other.age.compareTo(age) > 0);
    int previous = previousRows + other.previousRows;
    int missing = missingRows + other.missingRows;
    return new Lookup(name, group, batch, older ? other.age : age, previous, missing, failure);
  }
}
