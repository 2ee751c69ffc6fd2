package checkit.peers;

/** What goes out for a hit: JSON. */
final class Alerts {
    private Alerts() {
    }

    /** Ids are of letters, digits and hyphens: nothing to escape. */
    static String text(String topic, int partition, long offset, String eventId, String entryId) {
        return "{\"topic\":\"" + topic + "\",\"partition\":" + partition + ",\"offset\":" + offset
            + ",\"event_id\":\"" + eventId + "\",\"entry_id\":\"" + entryId + "\"}";
    }
}
