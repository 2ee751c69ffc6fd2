package checkit.peers;

import java.io.IOException;
import java.io.Reader;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** What the bench says of this run: a file of KEY=VALUE lines. */
final class Settings implements Serializable {
    private final Properties properties = new Properties();

    Settings(String path) throws IOException {
        try (Reader reader = Files.newBufferedReader(Path.of(path))) {
            properties.load(reader);
        }
    }

    String text(String key) {
        String value = properties.getProperty(key);
        if (value == null) {
            throw new IllegalArgumentException("setting '" + key + "' is missing");
        }
        return value;
    }

    int number(String key) {
        return Integer.parseInt(text(key));
    }

    Path path(String key) {
        return Path.of(text(key));
    }
}
