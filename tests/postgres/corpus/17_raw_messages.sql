-- messages
Parse "s" "SELECT $1::int"
Sync
;;
-- messages
Message F 00000575 0001 0001 0001 00000004 fffffff9 0001
;;
-- messages
Message F 7fffffff 0000 0000 0001
Query "SELECT 'after the function call'"
;;
-- messages
Message B 00 7300 ffff
Sync
;;
-- messages
Message P 6e6f656e64
Sync
;;
-- messages
Message D 58 00
Sync
;;
-- messages
Message Q 53454c4543542031
;;
-- messages
Message z 00
;;
SELECT 'a connection of its own'
;;
