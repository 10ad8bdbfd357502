# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets, CONTRIBUTING.md says how to work with them.

VERSION := 0.1.0

# gcc and g++ belong together, clang and clang++ too.
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := $(if $(findstring clang,$(CC)),$(subst clang,clang++,$(CC)),g++)
endif
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
MULTIARCH = $(shell $(CC) -print-multiarch 2>/dev/null)
# Where ld.so looks by itself, so that LD_PRELOAD needs no path.
LIBDIR ?= $(PREFIX)/lib$(if $(MULTIARCH),/$(MULTIARCH))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough
ifeq ($(DEVELOPER),1)
WARN += -Werror
endif
CPPFLAGS += -D_GNU_SOURCE -DPA_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen
CFLAGS ?= -O2 -g
CXXFLAGS ?= -O2 -g
AGENT_CFLAGS := -std=gnu17 -fPIC -fvisibility=hidden -fno-plt -ftls-model=initial-exec \
	-fno-math-errno -fexceptions $(WARN)

MODULES := agent/base agent/host agent/unwind agent/symbols agent/core agent/http collectors exporters
SRC := agent/main.c $(sort $(foreach m,$(MODULES),$(wildcard $(m)/*.c)))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o)
PROTO_OBJ := $(BUILD)/gen/profile.pb-c.o $(BUILD)/gen/iberty.o
# Everything but the composition root and the libc hooks: what unit tests link.
LIB_SRC := $(filter-out agent/main.c agent/host/hook_%.c,$(SRC))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(PROTO_OBJ)
STATIC_LIBS := -l:libprotobuf-c.a -l:libz.a -l:libiberty.a
# The separate program; all but its main() is also what its unit tests link.
SYMBOLIZE_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard agent/symbolize/*.c)))
SYMBOLIZE_USES := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter agent/base/%.c,$(SRC)) \
	agent/symbols/demangle.c) $(BUILD)/gen/iberty.o
SYMBOLIZE_LIBS := -l:libdw.a -l:libelf.a -l:libdeflate.a -l:libzstd.a -l:liblzma.a -l:libbz2.a -l:libz.a

UNIT_SRC := $(sort $(wildcard test/unit/*_test.c))
UNIT := $(UNIT_SRC:test/unit/%.c=$(BUILD)/test/unit/%)
FUZZ_SRC := $(sort $(wildcard test/fuzz/*_fuzz.c))
FUZZ := $(FUZZ_SRC:test/fuzz/%.c=$(BUILD)/fuzz/%)
REPLAY := $(FUZZ_SRC:test/fuzz/%_fuzz.c=$(BUILD)/test/fuzz/%_replay)
PROGRAM_SRC := $(sort $(wildcard test/programs/*.c test/programs/*.cc))
PROGRAMS := $(addprefix $(BUILD)/test/programs/,$(sort $(basename $(notdir $(PROGRAM_SRC)))) \
	cpu_shares_fp cpu_shares_nofp cpu_shares_qsort cpu_shares_cc)

# One short line for each file; V=1 shows the commands.
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-5s %s\n' $(1) '$(subst $(BUILD)/,,$(if $(2),$(2),$<))'
endif

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all
all: $(BUILD)/libprofagent.so $(BUILD)/profagent-symbolize ## build the agent: build/libprofagent.so

# What was built with other flags, or from another set of files, is built again. Each file holds
# a text and is touched only when the text changes.
define remember
@mkdir -p $(@D)
@printf '%s\n' $(1) | cmp -s - $@ || printf '%s\n' $(1) >$@
endef
.PHONY: always
$(BUILD)/flags: always
	$(call remember,'$(subst ','\'',$(CC) $(CPPFLAGS) $(CFLAGS) $(AGENT_CFLAGS) $(CXX) $(CXXFLAGS) $(LDFLAGS))')
$(BUILD)/objects: always
	$(call remember,'$(OBJ)')

# Says what to install when a header or library is not there, before anything is compiled.
$(BUILD)/tools.ok: scripts/check-build-tools.sh
	@mkdir -p $(@D)
	@CC='$(CC)' STATIC_LIBS='$(STATIC_LIBS) $(SYMBOLIZE_LIBS)' scripts/check-build-tools.sh
	@touch $@

$(BUILD)/gen/profile.pb-c.c $(BUILD)/gen/profile.pb-c.h &: exporters/profile.proto | $(BUILD)/tools.ok
	@mkdir -p $(@D)
	$(call say,PROTO)
	$(Q)protoc-c --proto_path=exporters --c_out=$(@D) $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu17 -fPIC -fvisibility=hidden -w -c -o $@ $<

# libiberty's demanglers, calling agent/symbols/demangle.c where they would call the host's malloc.
IBERTY_PARTS := cp-demangle.o d-demangle.o rust-demangle.o safe-ctype.o
IBERTY_SYMBOLS := $(foreach f,malloc realloc free xmalloc xrealloc sprintf snprintf,$f=pa_iberty_$f) \
	$(foreach f,sprintf snprintf,__$f_chk=pa_iberty_$f_chk)
$(BUILD)/gen/iberty.o: $(BUILD)/tools.ok
	@mkdir -p $(@D)/iberty
	$(call say,LD,$@)
	$(Q)cd $(@D)/iberty && ar x $$($(CC) -print-file-name=libiberty.a) $(IBERTY_PARTS) && \
		ld -r -o all.o $(IBERTY_PARTS)
	$(Q)objcopy $(addprefix --redefine-sym ,$(IBERTY_SYMBOLS)) -G cplus_demangle_v3_callback \
		-G rust_demangle_callback -G dlang_demangle $(@D)/iberty/all.o $@

# Order only: those that include the header learn it from their .d file.
$(filter $(BUILD)/obj/exporters/%.o,$(OBJ)): | $(BUILD)/gen/profile.pb-c.h

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(BUILD)/tools.ok
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(AGENT_CFLAGS) -MMD -MP -c -o $@ $<

# A handler may run on a small stack and while the dynamic linker is at work: no stack protector
# call, no calls that the compiler makes up. The frame sizes are for scripts/check-sigsafe.sh.
$(BUILD)/obj/%_sig.o: AGENT_CFLAGS += -fno-stack-protector -fstack-usage

$(BUILD)/libprofagent.so: $(OBJ) $(PROTO_OBJ) agent/exports.map $(BUILD)/objects
	$(call say,LD,$@)
	$(Q)$(CC) -shared -o $@ $(CFLAGS) $(LDFLAGS) -static-libgcc -Wl,-Bsymbolic -Wl,--exclude-libs,ALL \
		-Wl,--version-script=agent/exports.map -Wl,-z,now,-z,relro,-z,initfirst,-z,defs,-z,text \
		-Wl,--as-needed -Wl,-soname,libprofagent.so $(OBJ) $(PROTO_OBJ) $(STATIC_LIBS)

# Static, so that it runs in any container or root that the library was brought into.
$(BUILD)/profagent-symbolize: $(SYMBOLIZE_OBJ) $(SYMBOLIZE_USES) $(BUILD)/flags
	$(call say,LD,$@)
	$(Q)$(CC) -static-pie -o $@ $(CFLAGS) $(LDFLAGS) -Wl,-z,now,-z,relro $(SYMBOLIZE_OBJ) \
		$(SYMBOLIZE_USES) $(SYMBOLIZE_LIBS)

$(BUILD)/libagent.a: $(LIB_OBJ) $(BUILD)/objects
	$(Q)rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $(LIB_OBJ)

# --- tests ---------------------------------------------------------------------------------------

$(BUILD)/test/unit/%: test/unit/%.c test/tap.h $(BUILD)/libagent.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu17 $(WARN) -MMD -MP -o $@ $< $(BUILD)/libagent.a $(STATIC_LIBS) \
		-ldl -lpthread $(TEST_LIBS)

$(BUILD)/test/unit/unwind%: TEST_LIBS += -lunwind
$(BUILD)/test/unit/symbolize%: TEST_LIBS := $(filter-out %/main.o,$(SYMBOLIZE_OBJ)) \
	$(BUILD)/libagent.a $(SYMBOLIZE_LIBS)
$(patsubst test/unit/%.c,$(BUILD)/test/unit/%,$(wildcard test/unit/symbolize*_test.c)): $(SYMBOLIZE_OBJ)
$(BUILD)/test/unit/symbols_ifunc_test: TEST_LIBS += -lm

# Programs that are profiled, and helpers of the tests: X.c or X.cc becomes X. PROGRAM_FLAGS and
# PROGRAM_LIBS of one program are set below.
PROGRAM_CC = $(CC) -D_GNU_SOURCE -I. $(CFLAGS) -std=gnu17 $(WARN) -pthread -MMD -MP $(PROGRAM_FLAGS) \
	-o $@ $< $(PROGRAM_LIBS)
PROGRAM_CXX = $(CXX) -D_GNU_SOURCE -I. $(CXXFLAGS) -Wall -Wextra -pthread -MMD -MP $(PROGRAM_FLAGS) \
	-o $@ $< $(PROGRAM_LIBS)
$(BUILD)/test/programs/%: test/programs/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(PROGRAM_CC)
$(BUILD)/test/programs/%: test/programs/%.cc $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(PROGRAM_CXX)
$(BUILD)/test/programs/cpu_shares_fp $(BUILD)/test/programs/cpu_shares_nofp \
$(BUILD)/test/programs/cpu_shares_qsort: test/programs/cpu_shares.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(PROGRAM_CC)
$(BUILD)/test/programs/cpu_shares_cc: test/programs/cpu_shares.cc $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(PROGRAM_CXX)
$(BUILD)/test/programs/cpu_shares_fp: PROGRAM_FLAGS += -fno-omit-frame-pointer
$(BUILD)/test/programs/cpu_shares_nofp: PROGRAM_FLAGS += -fomit-frame-pointer
$(BUILD)/test/programs/cpu_shares_qsort: PROGRAM_FLAGS += -DVIA_QSORT -fomit-frame-pointer
# Those that use the agent's code. A library to preload, unwind_oracle, is one of them.
AGENT_PROGRAMS := $(patsubst test/programs/%.c,$(BUILD)/test/programs/%,\
	$(shell grep -l '^.include "agent/' $(filter %.c,$(PROGRAM_SRC)) /dev/null))
$(AGENT_PROGRAMS): PROGRAM_LIBS += $(BUILD)/libagent.a $(STATIC_LIBS)
$(AGENT_PROGRAMS): $(BUILD)/libagent.a
$(BUILD)/test/programs/unwind_oracle: PROGRAM_LIBS += -ldl
$(BUILD)/test/programs/unwind_%: PROGRAM_FLAGS += -shared -fPIC
$(BUILD)/test/programs/host_storm_lib: PROGRAM_FLAGS += -shared -fPIC
$(BUILD)/test/unit/unwind_dlopen_test: | $(addprefix $(BUILD)/test/programs/unwind_lib_,a b big)

$(BUILD)/test/supervise: test/supervise.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -D_GNU_SOURCE $(CFLAGS) -std=gnu17 $(WARN) -o $@ $<

$(BUILD)/test/fuzz/%_replay: test/fuzz/%_fuzz.c test/fuzz/replay.c $(BUILD)/libagent.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu17 $(WARN) -MMD -MP -MF $@.d -o $@ $< test/fuzz/replay.c \
		$(BUILD)/libagent.a $(STATIC_LIBS) -ldl -lpthread $(TEST_LIBS)
$(BUILD)/test/fuzz/symbolize%: TEST_LIBS := $(filter-out %/main.o,$(SYMBOLIZE_OBJ)) \
	$(BUILD)/libagent.a $(SYMBOLIZE_LIBS)
$(filter $(BUILD)/test/fuzz/symbolize%,$(REPLAY)): $(SYMBOLIZE_OBJ)

.PHONY: unit programs
unit: $(UNIT)
programs: $(PROGRAMS)

# With T only what matching tests need is built.
T ?=
matching = $(if $(T),$(foreach x,$(1),$(if $(findstring $(T),$(patsubst %$(3),%,$(2)$(notdir $(x)))),$(x))),$(1))
UNIT_WANTED := $(call matching,$(UNIT),unit/,_test)
REPLAY_WANTED := $(call matching,$(REPLAY),fuzz/,_replay)
SCRIPTS_WANTED := $(foreach d,endpoint compat negative,$(call matching,$(wildcard test/$(d)/*.sh),$(d)/,.sh))
CHECK_NEEDS := $(UNIT_WANTED) $(REPLAY_WANTED) $(BUILD)/test/supervise \
	$(if $(SCRIPTS_WANTED),all programs $(BUILD)/libagent.a)
J ?= 2
.PHONY: check
check: $(CHECK_NEEDS) ## run the tests; T=text: those whose name holds it
	@BUILD='$(BUILD)' CC='$(CC)' T='$(T)' test/run -j $(J)

# Left out: scripts, whose programs a library with AddressSanitizer does not load into, and what
# copies a whole stack, where it has put its red zones.
SANITIZE_NOT := ^(endpoint|compat|negative)/|^unit/unwind_(engine|oracle|dlopen)$$
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
.PHONY: asan ubsan
asan: ## unit tests and fuzz corpora under AddressSanitizer and UBSan
	$(MAKE) BUILD=$(BUILD)/asan CFLAGS='$(SANITIZE)' T='$(T)' asan-run
.PHONY: asan-run
asan-run: $(UNIT) $(REPLAY) $(BUILD)/test/supervise
	@BUILD='$(BUILD)' CC='$(CC)' NOT='$(SANITIZE_NOT)' T='$(T)' SLOW=4 test/run -j $(J)

# Traps instead of the runtime library, whose reports are not async-signal-safe and which would
# be one more library in the host.
UBSAN := -O1 -g -fsanitize=undefined $(if $(findstring clang,$(CC)),-fsanitize-trap=undefined,-fsanitize-undefined-trap-on-error)
ubsan: ## all tests with an agent that traps on undefined behaviour
	$(MAKE) BUILD=$(BUILD)/ubsan CFLAGS='$(UBSAN)' check

# --- fuzzing: libFuzzer needs clang and its runtime ----------------------------------------------

FUZZ_CC ?= clang
FUZZ_CFLAGS := -O1 -g -std=gnu17 -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJ := $(LIB_SRC:%.c=$(BUILD)/fuzz/obj/%.o) $(BUILD)/fuzz/obj/profile.pb-c.o $(BUILD)/gen/iberty.o
FUZZ_SYMBOLIZE_OBJ := $(patsubst $(BUILD)/obj/%,$(BUILD)/fuzz/obj/%,$(filter-out %/main.o,$(SYMBOLIZE_OBJ)))
SECS ?= 60
F ?=
FUZZ_WANTED := $(if $(F),$(foreach f,$(FUZZ),$(if $(findstring $(F),$(notdir $(f))),$(f))),$(FUZZ))

$(BUILD)/fuzz/obj/%.o: %.c | $(BUILD)/gen/profile.pb-c.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/obj/profile.pb-c.o: $(BUILD)/gen/profile.pb-c.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_CFLAGS) -w -c -o $@ $<
$(BUILD)/fuzz/libagent.a: $(FUZZ_OBJ)
	$(Q)rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^
$(BUILD)/fuzz/%_fuzz: test/fuzz/%_fuzz.c $(BUILD)/fuzz/libagent.a
	$(call say,LD,$@)
	$(Q)$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $(BUILD)/fuzz/libagent.a \
		$(STATIC_LIBS) -ldl -lpthread $(FUZZ_LIBS)
$(BUILD)/fuzz/symbolize%: FUZZ_LIBS := $(FUZZ_SYMBOLIZE_OBJ) $(BUILD)/fuzz/libagent.a $(SYMBOLIZE_LIBS)
$(filter $(BUILD)/fuzz/symbolize%,$(FUZZ)): $(FUZZ_SYMBOLIZE_OBJ)

.PHONY: fuzz
fuzz: $(FUZZ_WANTED) ## fuzz each reader for SECS=60 seconds; F=http: one of them
	@BUILD='$(BUILD)' SECS='$(SECS)' scripts/fuzz.sh $(FUZZ_WANTED)

# --- measuring -----------------------------------------------------------------------------------

BENCH_SRC := $(filter-out %/empty_interposer.c,$(sort $(wildcard test/bench/*.c)))
BENCH := $(BENCH_SRC:test/bench/%.c=$(BUILD)/bench/%) $(BUILD)/bench/empty.so $(BUILD)/bench/empty_thread.so

$(BUILD)/bench/%: test/bench/%.c $(BUILD)/libagent.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu17 $(WARN) -pthread -MMD -MP -o $@ $< $(BUILD)/libagent.a \
		$(STATIC_LIBS) $(BENCH_LIBS) -ldl
$(BUILD)/bench/unwind%: BENCH_LIBS += -lunwind
$(BUILD)/bench/empty_thread.so: BENCH_FLAGS += -DWITH_THREAD
$(BUILD)/bench/empty.so $(BUILD)/bench/empty_thread.so: test/bench/empty_interposer.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu17 $(WARN) $(BENCH_FLAGS) -fPIC -shared -Wl,-z,now -o $@ $<

# Where the programs above look for it: beside themselves.
$(BUILD)/bench/profagent-symbolize: $(BUILD)/profagent-symbolize
	@mkdir -p $(@D)
	@ln -sf ../profagent-symbolize $@

.PHONY: bench
bench: all $(BENCH) $(BUILD)/bench/profagent-symbolize $(filter %_fp %_nofp %_qsort %_cc,$(PROGRAMS)) ## print what the agent costs; ROWS=name: some of it; QUICK=1: less
	@BUILD='$(BUILD)' ROWS='$(ROWS)' QUICK='$(QUICK)' test/bench/run

.PHONY: size
size: ## print the longest functions and files
	@scripts/size.sh

.PHONY: demo
demo: ## install what is missing, profile redis under load, print its top functions
	@scripts/install-deps.sh build demo
	$(MAKE) all
	@BUILD='$(BUILD)' scripts/demo.sh

# --- style: every checker, each proven by a test in test/negative -------------------------------

STYLE := exports deps sigsafe calls mistakes headers env format tidy cppcheck shell
.PHONY: check-style $(STYLE:%=check-%)
check-style: $(STYLE:%=check-%) ## run every static check

# The default, so that scripts run by hand use the same.
export BUILD CC
export CHECK_CFLAGS = $(CPPFLAGS) $(AGENT_CFLAGS)
check-exports: all
	@scripts/check-exports.sh $(BUILD)/libprofagent.so agent/exports.map
check-deps:
	@scripts/check-deps.sh
check-sigsafe: $(OBJ)
	@scripts/check-sigsafe.sh $(filter %_sig.o,$(OBJ))
check-calls: $(OBJ)
	@scripts/check-calls.sh $(OBJ)
check-mistakes:
	@scripts/check-mistakes.sh
check-headers: $(BUILD)/gen/profile.pb-c.h
	@scripts/check-headers.sh
check-env: $(BUILD)/test/programs/env_table
	@scripts/check-env.sh $(BUILD)/test/programs/env_table README.md
check-format:
	@scripts/check-format.sh
check-tidy: $(BUILD)/gen/profile.pb-c.h
	@scripts/check-tidy.sh
check-cppcheck:
	@scripts/check-cppcheck.sh
check-shell:
	@scripts/check-shell.sh

.PHONY: format
format: ## lay out all C files with clang-format
	@scripts/check-format.sh --fix

# --- installing ----------------------------------------------------------------------------------

BINDIR ?= $(PREFIX)/bin
DOCDIR ?= $(PREFIX)/share/doc/profagent
.PHONY: install uninstall
install: $(if $(NO_BUILD),,all) ## install below PREFIX=/usr/local; LD_PRELOAD=libprofagent.so then works by name
	install -d '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(DOCDIR)'
	install -m 755 $(BUILD)/libprofagent.so '$(DESTDIR)$(LIBDIR)/.libprofagent.so.new'
	mv -f '$(DESTDIR)$(LIBDIR)/.libprofagent.so.new' '$(DESTDIR)$(LIBDIR)/libprofagent.so'
	install -d '$(DESTDIR)$(LIBDIR)/profagent'
	install -m 755 $(BUILD)/profagent-symbolize '$(DESTDIR)$(LIBDIR)/profagent/.profagent-symbolize.new'
	mv -f '$(DESTDIR)$(LIBDIR)/profagent/.profagent-symbolize.new' \
		'$(DESTDIR)$(LIBDIR)/profagent/profagent-symbolize'
	install -m 755 scripts/profile_cpu.sh '$(DESTDIR)$(BINDIR)/profile_cpu.sh'
	install -m 644 README.md CHANGELOG.md LICENSE '$(DESTDIR)$(DOCDIR)'
	@DESTDIR='$(DESTDIR)' scripts/ldconfig.sh '$(LIBDIR)'

uninstall: ## remove what `make install` with the same PREFIX put there
	rm -f '$(DESTDIR)$(LIBDIR)/libprofagent.so' '$(DESTDIR)$(BINDIR)/profile_cpu.sh'
	rm -f '$(DESTDIR)$(LIBDIR)/profagent/profagent-symbolize'
	-rmdir '$(DESTDIR)$(LIBDIR)/profagent' 2>/dev/null
	rm -f '$(DESTDIR)$(DOCDIR)/README.md' '$(DESTDIR)$(DOCDIR)/CHANGELOG.md' '$(DESTDIR)$(DOCDIR)/LICENSE'
	-rmdir '$(DESTDIR)$(DOCDIR)' 2>/dev/null
	@DESTDIR='$(DESTDIR)' scripts/ldconfig.sh --removed '$(LIBDIR)'

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(BUILD)

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

# Written by the compiler, never by a rule.
%.d: ;
-include $(OBJ:.o=.d) $(SYMBOLIZE_OBJ:.o=.d) $(UNIT:%=%.d) $(REPLAY:%=%.d) $(PROGRAMS:%=%.d) $(BENCH:%=%.d) \
	$(LIB_SRC:%.c=$(BUILD)/fuzz/obj/%.d) $(FUZZ_SYMBOLIZE_OBJ:.o=.d) $(FUZZ:%=%.d)
