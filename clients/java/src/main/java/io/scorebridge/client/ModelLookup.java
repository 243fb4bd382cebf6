package io.scorebridge.client;

import java.util.List;

/**
 * How the gateway looks up features by a key that a call sends instead of them. Immutable; may be shared by threads.
 * Only the client makes it, and a later release may add components: read it by its accessors.
 *
 * @param name the lookup's name in the model's settings.
 * @param group the feature group.
 * @param key the name of the column that holds the keys.
 * @param features the features that it gives by the model's settings; empty for all of the group that the model takes.
 * @param store the name of the gateway's store that holds the group; empty for the only one.
 */
public record ModelLookup(String name, String group, String key, List<String> features, String store) {
  /** Reads a gateway's message about a lookup. */
  static ModelLookup read(io.scorebridge.v1.ModelLookup lookup) {
    return new ModelLookup(
        lookup.getName(), lookup.getGroup(), lookup.getKey(), List.copyOf(lookup.getFeaturesList()), lookup.getStore());
  }
}
