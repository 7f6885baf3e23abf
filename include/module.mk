# Headers that one folder offers another; each is compiled alone by `make check`.
public_headers += include/iaido/addr.h
public_headers += include/iaido/bootstrap.h
public_headers += include/iaido/clock.h
public_headers += include/iaido/chan.h
public_headers += include/iaido/conf.h
public_headers += include/iaido/diag.h
public_headers += include/iaido/duration.h
public_headers += include/iaido/ended.h
public_headers += include/iaido/log.h
public_headers += include/iaido/macros.h
public_headers += include/iaido/master.h
public_headers += include/iaido/msg.h
public_headers += include/iaido/pick.h
public_headers += include/iaido/rank.h
public_headers += include/iaido/reserve.h
public_headers += include/iaido/rng.h
public_headers += include/iaido/scoreboard.h
public_headers += include/iaido/shed.h
public_headers += include/iaido/snapshot.h
public_headers += include/iaido/table.h
public_headers += include/iaido/text.h
public_headers += include/iaido/version.h
public_headers += include/iaido/wheel.h
public_headers += include/iaido/wire.h
public_headers += include/iaido/worker.h

noinst_HEADERS += $(public_headers)
