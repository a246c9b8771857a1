import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.PGStatement;
import org.postgresql.copy.CopyManager;
import org.postgresql.copy.CopyOut;
import org.postgresql.jdbc.PreferQueryMode;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;
import org.postgresql.util.PSQLException;

/** Real pgjdbc against the server that the PG* variables name; with the argument `login`, a login alone. */
public final class Suite {
    private static final String SCHEMA = variable("ALLONYM_SCHEMA", "drivers_java");
    private static final int LARGE = 20 * 1024 * 1024;
    private static int count;

    private interface Action {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0 && arguments[0].equals("login")) {
            login();
        } else {
            everything();
        }
        System.out.println("ok " + count + " checks");
        System.exit(0);
    }

    private static void login() throws SQLException {
        try (Connection connection = connect()) {
            same("logged in", one(connection, "SELECT current_user::text"), variable("ALLONYM_ROLE", variable("PGUSER", "")));
            same("and on", one(connection, "SELECT ?::int + 1", 41), 42);
        }
    }

    private static void everything() throws Exception {
        try (Connection connection = connect()) {
            run(connection, "DROP SCHEMA IF EXISTS " + SCHEMA + " CASCADE", "CREATE SCHEMA " + SCHEMA, "SET timezone = 'UTC'");
            connectionPhase(connection);
            run(connection, "CREATE TABLE people (id int PRIMARY KEY, name text)");
            statements(connection);
            values(connection);
            failures(connection);
            transactions(connection);
            copies(connection);
            largeValues(connection);
            cursors(connection);
            asides(connection);
            metadata(connection);
        }
        batches();
        queryModes();
        cancels();
        try (Connection connection = connect()) {
            run(connection, "DROP SCHEMA " + SCHEMA + " CASCADE");
        }
    }

    private static String variable(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    private static Connection connect(String... more) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", variable("PGUSER", "postgres"));
        properties.setProperty("password", variable("PGPASSWORD", ""));
        properties.setProperty("ApplicationName", "pgjdbc suite");
        properties.setProperty("currentSchema", SCHEMA);
        properties.setProperty("options", "-c work_mem=3MB");
        String[][] passed = {
            {"sslmode", "PGSSLMODE"}, {"sslrootcert", "PGSSLROOTCERT"}, {"sslcert", "PGSSLCERT"}, {"sslkey", "PGSSLKEY"},
            {"channelBinding", "PGCHANNELBINDING"}, {"sslNegotiation", "PGSSLNEGOTIATION"}, {"protocolVersion", "PGMAXPROTOCOLVERSION"},
            {"requireAuth", "PGREQUIREAUTH"},
        };
        for (String[] pair : passed) {
            String value = variable(pair[1], "");
            if (!value.isEmpty()) {
                properties.setProperty(pair[0], value);
            }
        }
        for (int i = 0; i < more.length; i += 2) {
            properties.setProperty(more[i], more[i + 1]);
        }
        String url = "jdbc:postgresql://" + variable("PGHOST", "localhost") + ":" + variable("PGPORT", "5432") + "/" + variable("PGDATABASE", "postgres");
        return DriverManager.getConnection(url, properties);
    }

    private static void same(String name, Object found, Object expected) {
        if (!Objects.deepEquals(found, expected)) {
            fail(name, "found " + found + ", expected " + expected);
        }
        count++;
        System.out.println("pgjdbc: " + name);
    }

    private static void fail(String name, String why) {
        System.err.println("pgjdbc: " + name + ": FAILED: " + why.substring(0, Math.min(why.length(), 600)));
        System.exit(1);
    }

    private static SQLException state(String name, String expected, Action action) {
        try {
            action.run();
        } catch (SQLException error) {
            same(name, error.getSQLState(), expected);
            return error;
        } catch (Exception error) {
            fail(name, error.toString());
        }
        fail(name, "no error");
        return null;
    }

    private static void run(Connection connection, String... statements) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    private static Object one(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                statement.setObject(i + 1, parameters[i]);
            }
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                return rows.getObject(1);
            }
        }
    }

    private static void connectionPhase(Connection connection) throws SQLException {
        PGConnection own = connection.unwrap(PGConnection.class);
        same("server version", connection.getMetaData().getDatabaseMajorVersion() >= 13, true);
        same("parameter status", own.getParameterStatus("server_version") != null, true);
        same("application_name", one(connection, "SHOW application_name"), "pgjdbc suite");
        same("options", one(connection, "SHOW work_mem"), "3MB");
        same("search_path", connection.getSchema(), SCHEMA);
        connection.setClientInfo("ApplicationName", "renamed");
        same("a status that changes", own.getParameterStatus("application_name"), "renamed");
        same("a backend pid", own.getBackendPID() > 0, true);
        same("isValid", connection.isValid(10), true);
    }

    private static void statements(Connection connection) throws SQLException {
        same("simple query", one(connection, "SELECT 1"), 1);
        try (Statement statement = connection.createStatement()) {
            List<String> found = new ArrayList<>();
            boolean rows = statement.execute("SELECT 1; INSERT INTO people VALUES (900, 'x'), (901, 'y'); SELECT 'three'");
            while (rows || statement.getUpdateCount() >= 0) {
                if (rows) {
                    statement.getResultSet().next();
                    found.add(statement.getResultSet().getString(1));
                } else {
                    found.add("#" + statement.getUpdateCount());
                }
                rows = statement.getMoreResults();
            }
            same("several statements in one", found, List.of("1", "#2", "three"));
        }
        // The driver names the statement at the fifth use and then takes results in binary.
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int8 * 2, ?::text, ?::timestamptz, ?::numeric, ?::bytea")) {
            for (int use = 1; use <= 10; use++) {
                statement.setLong(1, use);
                statement.setString(2, "ü" + use);
                statement.setObject(3, OffsetDateTime.of(2026, 1, 2, 3, 4, 5, 678901000, ZoneOffset.UTC));
                statement.setBigDecimal(4, new BigDecimal("1234.50"));
                statement.setBytes(5, new byte[] {0, (byte) 255});
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    List<Object> found = List.of(rows.getLong(1), rows.getString(2), rows.getObject(3, OffsetDateTime.class), rows.getBigDecimal(4), rows.getBytes(5).length);
                    same("prepared, use " + use, found, List.of(use * 2L, "ü" + use, OffsetDateTime.of(2026, 1, 2, 3, 4, 5, 678901000, ZoneOffset.UTC), new BigDecimal("1234.50"), 2));
                }
            }
            same("named on the server from the fifth use", statement.unwrap(PGStatement.class).isUseServerPrepare(), true);
        }
        try (PreparedStatement statement = connection.prepareStatement("INSERT INTO people VALUES (?, ?) RETURNING id", Statement.RETURN_GENERATED_KEYS)) {
            statement.setInt(1, 1);
            statement.setString(2, "one");
            statement.executeUpdate();
            statement.getGeneratedKeys().next();
        }
        int rows = 0;
        try (Statement statement = connection.createStatement();
                ResultSet found = statement.executeQuery("SELECT g, repeat('x', g % 100) FROM generate_series(1, 20000) g")) {
            while (found.next()) {
                rows += found.getString(2).length() == found.getInt(1) % 100 ? 1 : 0;
            }
        }
        same("20,000 rows", rows, 20000);
        // DDL under a named statement: the driver prepares again after the server's error.
        run(connection, "CREATE TABLE shape (a int)", "INSERT INTO shape VALUES (1)");
        try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM shape")) {
            for (int use = 0; use < 6; use++) {
                statement.executeQuery().close();
            }
            run(connection, "ALTER TABLE shape ALTER a TYPE text");
            ResultSet found = statement.executeQuery();
            found.next();
            same("a plan that changed", found.getString(1), "1");
        }
    }

    private static final String[][] LITERALS = {
        {"int2", "-32768"}, {"int4", "2147483647"}, {"int8", "-9223372036854775808"}, {"float4", "1.5"}, {"float8", "0.1"},
        {"float8", "NaN"}, {"numeric", "123456789012345678901234567890.123456789"}, {"numeric(10,2)", "-0.50"}, {"bool", "t"},
        {"text", "Grüße, 世界 🎈 'quoted' \\"}, {"varchar(5)", ""}, {"char(5)", "ab   "},
        {"date", "2024-02-29"}, {"time", "23:59:59.999999"}, {"timestamp", "2026-01-02 03:04:05.678901"},
        {"timestamptz", "2026-01-02 03:04:05.5+00"}, {"uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
        {"inet", "192.168.0.1/24"}, {"cidr", "2001:db8::/32"}, {"macaddr", "08:00:2b:01:02:03"}, {"money", "$12.34"},
        {"bit(4)", "1010"}, {"varbit", "10101"}, {"lseg", "[(0,0),(3,4)]"}, {"path", "[(0,0),(1,1)]"},
        {"tsvector", "'fox':3A 'quick':2"}, {"tsquery", "'fat' & !'rat'"}, {"json", "{\"a\": [1, null]}"},
        {"jsonb", "{\"a\": [1, null, \"é\"]}"}, {"xml", "<a>1</a>"},
        {"int4range", "[1,5)"}, {"daterange", "empty"}, {"int4multirange", "{[1,3),[5,7)}"},
        {"oid", "4294967295"}, {"name", "a name"}, {"pg_lsn", "16/B374D848"}, {"xid8", "12345"},
    };

    private static void values(Connection connection) throws SQLException {
        for (String[] literal : LITERALS) {
            // Seven uses: in text before the driver switches, then in binary where it knows how.
            try (PreparedStatement statement = connection.prepareStatement("SELECT ?::text::" + literal[0])) {
                for (int use = 1; use <= 7; use++) {
                    statement.setString(1, literal[1]);
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        String found = rows.getString(1);
                        if (use == 1 || use == 7) {
                            same(literal[0] + (use == 1 ? " in text" : " after the switch"), found, literal[1]);
                        }
                    }
                }
            }
        }
        same("uuid", one(connection, "SELECT ?::uuid", UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")), UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"));
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::date, ?::time, ?::timestamp, ?::int[], ?::text[], ?::bool")) {
            for (int use = 1; use <= 7; use++) {
                statement.setObject(1, LocalDate.of(2024, 2, 29));
                statement.setObject(2, LocalTime.of(1, 2, 3));
                statement.setObject(3, LocalDateTime.of(2026, 1, 2, 3, 4, 5));
                statement.setArray(4, connection.createArrayOf("int4", new Integer[] {1, null, 3}));
                statement.setArray(5, connection.createArrayOf("text", new String[] {"a", "b c"}));
                statement.setBoolean(6, true);
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    Array numbers = rows.getArray(4);
                    List<Object> found = Arrays.asList(rows.getObject(1, LocalDate.class), rows.getObject(2, LocalTime.class), rows.getObject(3, LocalDateTime.class), Arrays.asList((Object[]) numbers.getArray()), rows.getBoolean(6));
                    same("times and arrays, use " + use, found, Arrays.asList(LocalDate.of(2024, 2, 29), LocalTime.of(1, 2, 3), LocalDateTime.of(2026, 1, 2, 3, 4, 5), Arrays.asList(1, null, 3), true));
                }
            }
        }
    }

    private static void failures(Connection connection) throws SQLException {
        SQLException error = state("unique violation", "23505", () -> run(connection, "INSERT INTO people VALUES (1, 'again')"));
        same("its constraint", ((PSQLException) error).getServerErrorMessage().getConstraint(), "people_pkey");
        same("its detail", ((PSQLException) error).getServerErrorMessage().getDetail(), "Key (id)=(1) already exists.");
        error = state("syntax error", "42601", () -> run(connection, "SELEC 1"));
        same("its position", ((PSQLException) error).getServerErrorMessage().getPosition(), 1);
        state("an error after rows", "22012", () -> run(connection, "SELECT 1 / (1000 - g) FROM generate_series(1, 2000) g"));
        same("the connection goes on", one(connection, "SELECT 1"), 1);
    }

    private static void transactions(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        run(connection, "INSERT INTO people VALUES (2000, 'kept')");
        Savepoint savepoint = connection.setSavepoint("s");
        state("an error in a transaction", "23505", () -> run(connection, "INSERT INTO people VALUES (2000, 'again')"));
        state("an aborted transaction", "25P02", () -> run(connection, "SELECT 1"));
        connection.rollback(savepoint);
        connection.commit();
        run(connection, "INSERT INTO people VALUES (2001, 'lost')");
        connection.rollback();
        connection.setAutoCommit(true);
        connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        same("commit and rollback", one(connection, "SELECT array_agg(id)::text FROM people WHERE id BETWEEN 2000 AND 2100"), "{2000}");
        connection.setReadOnly(true);
        connection.setAutoCommit(false);
        state("read only", "25006", () -> run(connection, "DELETE FROM people"));
        connection.rollback();
        connection.setAutoCommit(true);
        connection.setReadOnly(false);
    }

    private static void batches() throws SQLException {
        for (String rewrite : new String[] {"false", "true"}) {
            try (Connection connection = connect("reWriteBatchedInserts", rewrite)) {
                run(connection, "DROP TABLE IF EXISTS batched", "CREATE TABLE batched (id int PRIMARY KEY, name text)");
                String name = "batch, rewritten: " + rewrite;
                try (PreparedStatement statement = connection.prepareStatement("INSERT INTO batched VALUES (?, ?)")) {
                    for (int round = 0; round < 3; round++) {
                        for (int n = 0; n < 1000; n++) {
                            statement.setInt(1, round * 1000 + n);
                            statement.setString(2, "name " + n);
                            statement.addBatch();
                        }
                        same(name + ", round " + round, statement.executeBatch().length, 1000);
                    }
                    same(name + ", rows", one(connection, "SELECT count(*) FROM batched"), 3000L);
                    statement.setInt(1, 5000);
                    statement.setString(2, "fine");
                    statement.addBatch();
                    statement.setInt(1, 0);
                    statement.addBatch();
                    try {
                        statement.executeBatch();
                        fail(name, "no error");
                    } catch (BatchUpdateException error) {
                        same(name + ", its error", error.getSQLState(), "23505");
                    }
                }
                try (PreparedStatement statement = connection.prepareStatement("INSERT INTO batched VALUES (?, ?)", new String[] {"id"})) {
                    for (int n = 0; n < 50; n++) {
                        statement.setInt(1, 7000 + n);
                        statement.setString(2, "x".repeat(20000));
                        statement.addBatch();
                    }
                    statement.executeBatch();
                    int keys = 0;
                    try (ResultSet rows = statement.getGeneratedKeys()) {
                        while (rows.next()) {
                            keys += rows.getInt(1) >= 7000 ? 1 : 0;
                        }
                    }
                    same(name + ", keys given back", keys, 50);
                }
                try (Statement statement = connection.createStatement()) {
                    for (int n = 0; n < 300; n++) {
                        statement.addBatch("UPDATE batched SET name = 'u' WHERE id = " + n);
                    }
                    same(name + ", of statements", Arrays.stream(statement.executeBatch()).sum(), 300);
                }
            }
        }
    }

    private static void queryModes() throws SQLException {
        for (PreferQueryMode mode : PreferQueryMode.values()) {
            try (Connection connection = connect("preferQueryMode", mode.value(), "binaryTransfer", "true", "prepareThreshold", "-1")) {
                for (int use = 0; use < 3; use++) {
                    same("query mode " + mode.value() + ", use " + (use + 1), one(connection, "SELECT ?::int + 1", use), use + 1);
                }
                state("query mode " + mode.value() + ", an error", "22012", () -> one(connection, "SELECT 1 / ?::int", 0));
                same("query mode " + mode.value() + ", goes on", one(connection, "SELECT 'x'::text"), "x");
            }
        }
        try (Connection connection = connect("autosave", "always")) {
            connection.setAutoCommit(false);
            run(connection, "CREATE TABLE saved (id int)");
            state("autosave, an error", "22012", () -> run(connection, "SELECT 1/0"));
            same("autosave, goes on", one(connection, "SELECT count(*) FROM saved"), 0L);
            connection.commit();
        }
    }

    private static void copies(Connection connection) throws Exception {
        run(connection, "CREATE TABLE copied (id int, name text)");
        CopyManager manager = connection.unwrap(PGConnection.class).getCopyAPI();
        StringBuilder lines = new StringBuilder();
        for (int n = 0; n < 50000; n++) {
            lines.append(n).append("\tname ").append(n).append('\n');
        }
        same("COPY in, text", manager.copyIn("COPY copied FROM STDIN", new StringReader(lines.toString())), 50000L);
        StringWriter out = new StringWriter();
        same("COPY out, text", manager.copyOut("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT", out), 50000L);
        same("what came out", out.toString().equals(lines.toString()), true);
        manager.copyIn("COPY copied FROM STDIN (FORMAT csv)", new ByteArrayInputStream("7,\"a, \"\"b\"\"\nc\"\n".getBytes(StandardCharsets.UTF_8)));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        manager.copyOut("COPY (SELECT name FROM copied WHERE name LIKE 'a,%') TO STDOUT CSV", bytes);
        same("COPY in and out, CSV", bytes.toString(StandardCharsets.UTF_8), "\"a, \"\"b\"\"\nc\"\n");
        bytes.reset();
        manager.copyOut("COPY (SELECT * FROM copied WHERE id = 9) TO STDOUT (FORMAT binary)", bytes);
        same("COPY out and in, binary", manager.copyIn("COPY copied FROM STDIN (FORMAT binary)", new ByteArrayInputStream(bytes.toByteArray()), 5), 1L);
        state("an error in COPY", "22P02", () -> manager.copyIn("COPY copied FROM STDIN", new StringReader("x\ty\n")));
        var in = manager.copyIn("COPY copied FROM STDIN");
        in.writeToCopy("1\tx\n".getBytes(StandardCharsets.UTF_8), 0, 4);
        in.cancelCopy();
        same("COPY given up", one(connection, "SELECT count(*) FROM copied"), 50002L);
        CopyOut slow = manager.copyOut("COPY (SELECT generate_series(1, 100000)) TO STDOUT");
        int rows = 0;
        while (slow.readFromCopy() != null) {
            rows++;
        }
        same("COPY out, row by row", rows, 100000);
    }

    private static void largeValues(Connection connection) throws Exception {
        String text = "0123456789abcdef".repeat(LARGE / 16);
        byte[] data = new byte[LARGE];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) (i * 7);
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::text, ?::bytea")) {
            statement.setString(1, text);
            statement.setBytes(2, data);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                same("20 MB in and out", rows.getString(1).equals(text) && Arrays.equals(rows.getBytes(2), data), true);
            }
        }
        run(connection, "CREATE TABLE big (b bytea)");
        try (PreparedStatement statement = connection.prepareStatement("INSERT INTO big VALUES (?)")) {
            statement.setBinaryStream(1, new ByteArrayInputStream(data), data.length);
            statement.executeUpdate();
        }
        same("20 MB from a stream", one(connection, "SELECT md5(b) = md5(?) FROM big", data), true);
        connection.setAutoCommit(false);
        LargeObjectManager manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
        long oid = manager.createLO();
        try (LargeObject object = manager.open(oid, LargeObjectManager.READWRITE)) {
            object.write(data, 0, 1000000);
            object.seek(500000);
            byte[] part = object.read(10);
            same("large object, by function calls", part, Arrays.copyOfRange(data, 500000, 500010));
        }
        manager.delete(oid);
        connection.commit();
        connection.setAutoCommit(true);
    }

    private static void cursors(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (PreparedStatement statement = connection.prepareStatement("SELECT generate_series(1, ?::int)")) {
            statement.setFetchSize(7);
            for (int use = 0; use < 7; use++) {
                statement.setInt(1, 500);
                int total = 0;
                try (ResultSet rows = statement.executeQuery()) {
                    while (rows.next()) {
                        total += rows.getInt(1);
                    }
                }
                same("portal of seven rows at a time, use " + (use + 1), total, 125250);
            }
        }
        try (Statement outer = connection.createStatement(); Statement inner = connection.createStatement()) {
            outer.setFetchSize(3);
            inner.setFetchSize(2);
            int total = 0;
            try (ResultSet rows = outer.executeQuery("SELECT generate_series(1, 20)")) {
                while (rows.next()) {
                    try (ResultSet more = inner.executeQuery("SELECT generate_series(1, 5)")) {
                        while (more.next()) {
                            total += more.getInt(1);
                        }
                    }
                }
            }
            same("two portals at once", total, 300);
        }
        run(connection, "CREATE FUNCTION opened() RETURNS refcursor LANGUAGE plpgsql AS 'DECLARE c refcursor := ''cur''; BEGIN OPEN c FOR SELECT 7; RETURN c; END'");
        try (var call = connection.prepareCall("{? = call opened()}")) {
            call.registerOutParameter(1, java.sql.Types.REF_CURSOR);
            call.execute();
            ResultSet rows = call.getObject(1, ResultSet.class);
            rows.next();
            same("a cursor that a function opened", rows.getInt(1), 7);
        }
        connection.commit();
        connection.setAutoCommit(true);
        try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
            ResultSet rows = statement.executeQuery("SELECT id, name FROM people WHERE id = 1");
            rows.absolute(1);
            rows.updateString("name", "updated");
            rows.updateRow();
        }
        same("an updatable result", one(connection, "SELECT name FROM people WHERE id = 1"), "updated");
    }

    private static void asides(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; END $$");
            same("notices", List.of(statement.getWarnings().getMessage(), statement.getWarnings().getNextWarning().getSQLState()), List.of("hello", "01000"));
        }
        run(connection, "LISTEN " + SCHEMA + "_channel");
        try (Connection other = connect()) {
            one(other, "SELECT pg_notify(?, ?)", SCHEMA + "_channel", "payload ü");
            PGNotification[] found = connection.unwrap(PGConnection.class).getNotifications(20000);
            same("notification while idle", List.of(found.length, found[0].getParameter()), List.of(1, "payload ü"));
            same("and who sent it", found[0].getPID(), other.unwrap(PGConnection.class).getBackendPID());
        }
        run(connection, "UNLISTEN *");
    }

    private static void cancels() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            long start = System.nanoTime();
            state("cancel by query timeout", "57014", () -> statement.execute("SELECT pg_sleep(30)"));
            same("soon", Duration.ofNanos(System.nanoTime() - start).toSeconds() < 15, true);
            same("the connection goes on", one(connection, "SELECT 1"), 1);
            statement.setQueryTimeout(0);
            for (int round = 0; round < 3; round++) {
                Object pid = one(connection, "SELECT pg_backend_pid()");
                Thread thread = new Thread(() -> {
                    // A cancel request before the server is in pg_sleep is for nothing.
                    try (Connection other = connect()) {
                        while (one(other, "SELECT count(*) FROM pg_stat_activity WHERE pid = ? AND wait_event = 'PgSleep'", pid).equals(0L)) {
                            Thread.sleep(20);
                        }
                        statement.cancel();
                    } catch (Exception error) {
                        fail("cancel", error.toString());
                    }
                });
                thread.start();
                state("cancel by hand", "57014", () -> statement.execute("SELECT pg_sleep(30)"));
                thread.join();
                same("the connection goes on", one(connection, "SELECT 1"), 1);
            }
        }
    }

    private static void metadata(Connection connection) throws SQLException {
        List<String> found = new ArrayList<>();
        try (ResultSet rows = connection.getMetaData().getColumns(null, SCHEMA, "people", null)) {
            while (rows.next()) {
                found.add(rows.getString("COLUMN_NAME") + " " + rows.getString("TYPE_NAME"));
            }
        }
        same("columns in the catalog", found, List.of("id int4", "name text"));
        try (PreparedStatement statement = connection.prepareStatement("SELECT id, name AS n FROM people WHERE id = ?")) {
            same("described, not executed", statement.getMetaData().getColumnName(2) + statement.getParameterMetaData().getParameterTypeName(1), "nint4");
        }
        try (ResultSet rows = connection.getMetaData().getPrimaryKeys(null, SCHEMA, "people")) {
            rows.next();
            same("keys in the catalog", rows.getString("COLUMN_NAME"), "id");
        }
    }
}
