#!/usr/bin/env bash
# Writes the inputs that fuzzing begins with into corpus/, a folder for each target.
# How an input is read: src/lib.rs, and the head of each target.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p corpus/{client,server,scram,login}

# A seed: the target, its name, and its bytes as printf understands them.
seed() { printf "$3" > "corpus/$1/$2"; }

# Scripts: buffers of 1, 2, 8 and 49 bytes, then the conversation.
script() { seed "$1" "$2" "\\0\\1\\7\\60\\0$3"; }
script server simple '>Q(select 1\0)<TD(row)DC(SELECT 2\0)Z(I)'
script server several '>QQ(begin\0)<CTDCIZ(T)E(SERROR\0\0)Z(E)'
script server extended '>P(s1\0update t set a = $1\0\0\0)B(p1\0s1\0\0\0\0\0\0\0)D(Pp1\0)E(p1\0\0\0\0\0)S<12nC(UPDATE 1\0)Z(I)'
script server suspended '>P(\0table t\0\0\0)B(\0\0\0\0\0\0\0\0)E(\0\0\0\0\1)H<12Ds>E(\0\0\0\0\1)S<DCZ(I)'
script server skipped '>PBDES<1E(SERROR\0\0)Z(E)>PB<1E>DEQHS<Z(I)'
script server copies '>Q(copy t from stdin\0)<G(\0\0\0)>d(1\n)dc<C(COPY 2\0)Z(I)>Q(copy t to stdout\0)<Hd(1\n)dcCZ(I)'
script server pipelined '>BESddcS<2GCZ(I)>BESdcS<2EZ(I)Z(I)>Q<GE>SdfS<Z(I)Z(I)'
script server both '>Q(START_REPLICATION\0)<Wd(w)>d(r)<dd>c<dcCCZ(I)'
script server calls '>FQ<V(\0\0\0\0)Z(I)TD*\200CZ(I)<NA(note)S(a\0b\0)>CS<3Z(I)'
script server deep '>P*\100S<1*\100Z(I)>S*\377*\377*\377*\377*\377*\377*\377*\377*\377*\377*\377*\377*\377*\377*\377*\377*\377'
script client messages 'P(s\0with x as (select 1) select * from x\0\0\0)B(p\0s\0)E(p\0)C(Ss\0)SX'
script client queries 'Q(/* a /* b */ */ -- c\n insert into t values ($$a$$, e'"'"'\\\\'"'"')\0)dcfFHS*\7'
script client names 'P(a\0select 1\0\0\0)*\20B(b\0a\0)*\20E(b\0)C(Pb\0)'

# Bytes: buffers of 4 bytes, then what is on the wire.
seed client startup '\3\3\3\3\1\0\0\0\44\0\3\0\2user\0app\0database\0ledger\0_pq_.a\0b\0\0Q\0\0\0\15select 1\0X\0\0\0\4'
seed client questions '\3\3\3\3\1\0\0\0\10\4\322\26\60\0\0\0\10\4\322\26\57\0\0\0\27\0\3\0\0user\0app\0a\0b\0\0S\0\0\0\4'
seed client cancel '\3\3\3\3\1\0\0\0\20\4\322\26\56\0\0\0\7\1\2\3\4'
seed client direct '\3\3\3\3\1\26\3\1\2\0'
seed server bytes '\3\3\3\3\1\24Q\0\0\0\6a\0S\0\0\43C\0\0\0\4Z\0\0\0\5IE\0\0\0\6S\0\4\0\4'

seed scram plain '\0'
seed scram bound '\6'
seed scram downgrade '\5'
seed scram edited '\0\0\4\1x\3\60\0,\3\61\0a\3\62\0='
seed scram iterations '\0\1\77\1\71'
seed scram invented '\204\33n,,n=,r=abcdefghijklmnopqr\115c=biws,r=abcdefghijklmnopqrstu,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
seed scram challenge '\200\0\0\45r=%%abc,s=c2l4dGVlbiBieXRlcyAuLg==,i=4096\57v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='

seed login ok 'R\0\0\0\0'
seed login md5 'R\0\0\0\5salt'
seed login sasl 'R\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'
seed login continue 'R\0\0\0\13r=a,s=b,i=4096'
seed login initial 'ISCRAM-SHA-256\0\0\0\0\13n,,n=,r=abc'
seed login password 'psecret\0'
seed login key 'K\0\0\0\7\1\2\3\4'
seed login negotiation 'v\0\3\0\0\0\0\0\1_pq_.a\0'
seed login status 'SDateStyle\0ISO, MDY\0'
seed login parse 'Ps\0select $1\0\0\1\0\0\0\27'
seed login query 'Qselect 1\0'
seed login error 'ESERROR\0VERROR\0C42601\0Msyntax\0\0'
seed login verifier 'VSCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU='
seed login words 'wp\303\244ssw\302\255ord\342\205\250'
seed login statement 'swith recursive a (b) as (select 1), c as materialized (table a) update t set a = 1'
seed login certificate 'C0\202\1\1\60\3\2\1\2\60\12\6\10\52\206\110\316\75\4\3\2'
