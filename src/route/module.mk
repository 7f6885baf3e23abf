noinst_LIBRARIES += libroute.a

libroute_a_SOURCES = \
	src/route/audit.c src/route/ended.c src/route/map.c src/route/map.h src/route/pick.c \
	src/route/promote.c src/route/rank.c src/route/scoreboard.c src/route/share.c \
	src/route/share_layout.h src/route/shed.c src/route/snapshot.c src/route/table.c
