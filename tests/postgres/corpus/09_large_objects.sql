SELECT lo_create(88001)
;;
SELECT lo_create(88001)
;;
BEGIN
;;
SELECT lo_open(88001, 393216)
;;
SELECT lowrite(0, '\x000102030405'), lo_tell(0), lo_lseek(0, 2, 0), loread(0, 3)
;;
SELECT lo_lseek64(0, 5000000000, 0), lowrite(0, 'far'::bytea), lo_tell64(0)
;;
SELECT lo_truncate(0, 4), lo_lseek(0, 0, 2), lo_close(0)
;;
SELECT lo_close(0)
;;
ROLLBACK
;;
SELECT lo_put(88001, 0, decode(repeat('00ff', 5000), 'hex')), length(lo_get(88001)), lo_get(88001, 9998, 10)
;;
-- extended:
SELECT lo_get(88001, 0, 4000)
;;
SELECT lo_from_bytea(88002, '\xcafe')
;;
SELECT lo_get(88002)
;;
SELECT loid, pageno, length(data) FROM pg_largeobject WHERE loid IN (88001, 88002) ORDER BY 1, 2
;;
SELECT oid, lomacl IS NULL FROM pg_largeobject_metadata WHERE oid IN (88001, 88002) ORDER BY 1
;;
COMMENT ON LARGE OBJECT 88001 IS 'large'
;;
GRANT SELECT ON LARGE OBJECT 88001 TO PUBLIC
;;
ALTER LARGE OBJECT 88001 OWNER TO CURRENT_USER
;;
SELECT lo_get(88003)
;;
SELECT lo_put(88003, 0, 'x')
;;
SELECT lo_open(88001, 131072), loread(0, 10)
;;
SELECT lo_import('/etc/hostname')
;;
SELECT lo_export(88001, '/tmp/x')
;;
SELECT lo_unlink(88001), lo_unlink(88002)
;;
SELECT lo_unlink(88001)
;;
