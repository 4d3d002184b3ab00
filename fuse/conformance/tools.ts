/**
 * Programs that people use, which lean on a filesystem in their own ways.
 */
import type { MountCase } from "./case.ts";
import { shell } from "../test-mount.ts";

/** A tree with something of everything. */
const TREE = [
  "mkdir -p tree/a/b/c tree/empty",
  "for i in $(seq 60); do seq $i 400 > tree/a/file-$i; done",
  "head -c 300000 /dev/urandom > tree/a/b/random; head -c 5000000 /dev/zero > tree/a/b/zeros",
  "ln tree/a/file-1 tree/a/b/c/hard; ln -s ../file-2 tree/a/b/soft; ln -s nowhere tree/dangling",
  "mkfifo tree/fifo; printf '#!/bin/sh\\n' > tree/a/run; chmod 755 tree/a/run; chmod 2750 tree/a/b",
  "touch -d '2001-02-03 04:05:06' tree/a/file-3; chown 12:34 tree/a/file-4",
  "truncate -s 9000001 tree/sparse; echo tail >> tree/sparse",
  "setfattr -n user.colour -v blue tree/a/file-5; setfacl -m u:12:rw tree/a/file-6",
].join("\n");

/** Everything about what is in a tree, directories' sizes and times excepted. */
const listing = (tree: string, times = "%TY-%Tm-%Td %TH:%TM"): string =>
  `(cd ${tree}; find . ! -type d -printf '%p %M %U:%G %s ${times} %n %l\\n' | sort; find . -type d -printf '%p %M %U:%G %n\\n' | sort)`;

export const toolCases: ReadonlyArray<MountCase> = [
  {
    title: "rsync -aHAX there and back changes nothing",
    programs: ["rsync", "setfattr", "setfacl"],
    run: async (at) => {
      const script = [
        'outside=$(mktemp -d); trap \'rm -rf "$outside"\' EXIT; here=$PWD; cd "$outside"',
        TREE,
        'rsync -aHAX tree/ "$here/tree/"',
        'test -z "$(rsync -aHAXnci --delete tree/ "$here/tree/")"',
        'mkdir back; rsync -aHAX "$here/tree/" back/',
        'test -z "$(rsync -aHAXnci --delete tree/ back/)"',
        `diff <(${listing("tree")}) <(${listing("back")})`,
        `diff <(${listing("tree")}) <(${listing('"$here/tree"')})`,
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "tar and cp -a make equal trees",
    programs: ["tar", "setfattr", "setfacl"],
    run: async (at) => {
      const script = [
        TREE,
        "tar --acls --xattrs -cf tree.tar tree; mkdir out; tar --acls --xattrs -xpf tree.tar -C out; cp -a tree copy",
        "diff -r -x fifo --no-dereference tree out/tree; diff -r -x fifo --no-dereference tree copy",
        `diff <(${listing("tree", "")}) <(${listing("out/tree", "")}); diff <(${listing("tree")}) <(${listing("copy")})`,
        'rm -r tree out copy; test "$(ls)" = tree.tar',
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "tar restores modification times",
    programs: ["tar"],
    notOn: { "fuse-native": "tar sets one time alone, which libfuse 2 drops" },
    run: async (at) => {
      await shell(
        "touch -d @1000000000 file; tar -cf t.tar file; rm file; tar -xf t.tar; test $(stat -c %Y file) = 1000000000",
        {
          cwd: at,
        },
      );
    },
  },
  {
    title: "git commits, clones, switches and finds its repository sound",
    programs: ["git"],
    run: async (at) => {
      const script = [
        "export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b",
        "git init -q -b main one; cd one",
        "for i in $(seq 200); do mkdir -p d$((i % 7)); seq $i $((i + 99)) > d$((i % 7))/f$i; done",
        "git add -A; git commit -qm first",
        "git switch -qc side; for i in $(seq 50); do echo changed >> d1/f$i.new; done; git add -A; git commit -qm second",
        "git switch -q main; git merge -q --no-edit side; git gc -q",
        "cd ..; git clone -q one two; git clone -q --no-local one three",
        "git -C two fsck --strict; git -C three fsck --strict",
        'test -z "$(git -C three status --porcelain)"; diff -r -x .git one three',
      ];
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "sqlite3 keeps its database whole in WAL and in rollback mode",
    programs: ["sqlite3"],
    run: async (at) => {
      const rows = "with recursive c(x) as (select 1 union all select x+1 from c where x<2000)";
      const script = ["wal", "delete", "truncate"].map((mode) =>
        [
          `sqlite3 ${mode}.db "pragma journal_mode=${mode}; create table t(a integer primary key, b);" > /dev/null`,
          `sqlite3 ${mode}.db "insert into t ${rows} select x, hex(randomblob(100)) from c;"`,
          `for i in 1 2 3 4; do (for j in $(seq 5); do sqlite3 -cmd '.timeout 20000' ${mode}.db "insert into t(b) values('$i');"; done) & done; wait`,
          `sqlite3 ${mode}.db "update t set b = b || 'x' where a % 3 = 0; delete from t where a % 5 = 0; vacuum;"`,
          `test "$(sqlite3 ${mode}.db 'pragma integrity_check;')" = ok`,
          `test "$(sqlite3 ${mode}.db 'select count(*) from t;')" = 1616`,
        ].join("\n"),
      );
      await shell(script.join("\n"), { cwd: at });
    },
  },
  {
    title: "make builds once, and then finds nothing to do",
    programs: ["make"],
    run: async (at) => {
      const makefile = [
        "out: $(patsubst %.in,%.out,$(wildcard *.in))",
        "\tcat $^ > out",
        "%.out: %.in",
        "\ttr a-z A-Z < $< > $@",
        "",
      ].join("\n");
      const script = [
        'printf "%s" "$MAKEFILE" > Makefile',
        "for i in $(seq 40); do echo line $i > $i.in; done",
        "make -s -j4; test $(wc -l < out) = 40; make -q; sleep 0.05; echo more >> 7.in; if make -q; then false; fi; make -s; test $(wc -l < out) = 41",
      ];
      await shell(script.join("\n"), { cwd: at, env: { MAKEFILE: makefile } });
    },
  },
];
