package mariadb

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
)

func read(text string) (out []string, err error) {
	s := newScript(strings.NewReader(text), 1<<20)
	for {
		st, err := s.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, st.text)
	}
}

func TestScript(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                       nil,
		"-- nothing\n# nothing\n/* nothing */\n": nil,
		"/*M!999999\\- enable the sandbox mode */ \n":                     nil,
		"select 1; select\n2;":                                            {"select 1", "select\n2"},
		`select '\';', "\";", 'it''s;', "say "";"; x;`:                    {`select '\';', "\";", 'it''s;', "say "";"`, "x"},
		"select `a``;\\`; x;":                                             {"select `a``;\\`", "x"},
		"select 1--1; x;":                                                 {"select 1--1", "x"},
		"select 1 -- it's ;\n; x;":                                        {"select 1 \n", "x"},
		"select 1 # it's ;\n; x;":                                         {"select 1 \n", "x"},
		"/*!40101 SET NAMES utf8 */;\n/*M!100616 SET x='a;b' */;":         {"/*!40101 SET NAMES utf8 */", "/*M!100616 SET x='a;b' */"},
		"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 VIEW v*/;": {"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 VIEW v*/"},
		"/*!1 select /* not ; this */ 1 */; x;":                           {"/*!1 select   1 */", "x"},
		"DELIMITER ;;\nbegin a; b; end ;;\nDELIMITER ;\nx;":               {"begin a; b; end ", "x"},
		"delimiter $$\nbegin a; end$$\ndelimiter ;\nx;":                   {"begin a; end", "x"},
		"delimiter //\nselect 1 / 2//\ndelimiter ;\n":                     {"select 1 / 2"},
		"select 0xFF, _binary '\x00\\0;'; x;":                             {"select 0xFF, _binary '\x00\\0;'", "x"},
	} {
		got, err := read(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, %v; want\n%q", text, got, err, want)
		}
	}
}

func TestScriptRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"\\! id\n":                           `Line 1 of the dump holds \!, a command of the program mariadb`,
		"select 1;\nselect 2 \\! id\n":       `Line 2 of the dump holds \!`,
		"system id\n":                        "holds system",
		"SOURCE /run/mydb-tool/x\n":          "holds source",
		"\\. /etc/passwd\n":                  `\.`,
		"tee /tmp/x\n":                       "holds tee",
		"/*! \\! id */;":                     `\!`,
		"DELIMITER\n":                        "not understood",
		"DELIMITER '\n":                      "not understood",
		"insert " + strings.Repeat("x", 2e6): "more than 1 MiB",
	} {
		_, err := read(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"select 1", "select 'a;", "select `a;", "/* a;", "delimiter ;;\nselect 1;"} {
		if _, err := read(text); !errors.Is(err, errCutOff) {
			t.Errorf("%q: %v, want that it is cut off", text, err)
		}
	}
}

// TestDefiner takes out on whose behalf a view or routine acts, and leaves everything else.
func TestDefiner(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE DEFINER=`root`@`localhost` PROCEDURE p() select 'DEFINER=`a`@`b`'":                      "CREATE  PROCEDURE p() select 'DEFINER=`a`@`b`'",
		"/*!50003 CREATE*/ /*!50017 DEFINER=`a``b`@`%`*/ /*!50003 TRIGGER t*/":                          "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER t*/",
		"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n/*x": "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013  SQL SECURITY DEFINER */\n/*x",
		"CREATE OR REPLACE DEFINER = 'a'@'10.0.0.%' FUNCTION f":                                         "CREATE OR REPLACE  FUNCTION f",
		"CREATE DEFINER=root@localhost EVENT e":                                                         "CREATE  EVENT e",
		"CREATE DEFINER=CURRENT_USER() EVENT e":                                                         "CREATE  EVENT e",
		"CREATE TABLE t (DEFINER int)":                                                                  "CREATE TABLE t (DEFINER int)",
		"CREATE VIEW v AS select DEFINER=`a`":                                                           "CREATE VIEW v AS select DEFINER=`a`",
	} {
		if got := definer.ReplaceAllString(text, "$1"); got != want {
			t.Errorf("%s:\n%s; want\n%s", text, got, want)
		}
	}
}

func TestNotTaken(t *testing.T) {
	for text, want := range map[string]string{
		"USE `lab`;": "names of databases",
		"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `lab` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;": "names of databases",
		"GRANT ALL ON *.* TO 'x';":         "accounts and grants",
		"CREATE USER x;":                   "accounts and grants",
		"CREATE TABLE user (a int);":       "",
		"CREATE TABLE `USER` (a int);":     "",
		"SET @@SESSION.SQL_LOG_BIN= 0;":    "settings of a replica",
		"SET GLOBAL gtid_slave_pos='0-1';": "settings of a replica",
		"SET sql_mode='';":                 "",
		"INSERT INTO t VALUES ('USE x');":  "",
	} {
		st, err := newScript(strings.NewReader(text), 1<<20).next()
		if err != nil || notTaken(st) != want {
			t.Errorf("%s: %q, %v; want %q", text, notTaken(st), err, want)
		}
	}
	l := &loader{}
	for _, text := range []string{"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `lab` ;", "USE lab", "use `LAB`"} {
		if err := l.checkDatabase(statement{text: text}); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := l.checkDatabase(statement{text: "USE `other`", line: 7}); err == nil || !strings.Contains(err.Error(), "lab and other (line 7)") {
		t.Errorf("a second database: %v", err)
	}
}

func TestRecognise(t *testing.T) {
	for head, want := range map[string]bool{
		"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19-11.8.3": true,
		"-- MySQL dump 10.13  Distrib 8.0":                                        true,
		"create table t (a text default '-- MySQL dump ');":                       false,
		"-- phpMyAdmin SQL Dump":                                                  false,
	} {
		if _, known := (Engine{}).Recognise([]byte(head)); known != want {
			t.Errorf("%q: %v", head, known)
		}
	}
	for tail, want := range map[string]bool{
		"x;\n\n-- Dump completed on 2026-05-04  1:02:03\n": true, "-- Dump completed\r\n": true, "\n-- Dump completed\nx;": false, "'-- Dump completed": false, "": false,
	} {
		if got, _ := (Engine{}).Whole(engine.FormatSQL, []byte(tail)); got != want {
			t.Errorf("%q is whole: %v", tail, got)
		}
	}
}

// FuzzScript never runs out of bounds, and gives the same statements whatever is before them.
func FuzzScript(f *testing.F) {
	for _, seed := range []string{"select 1;", "/*!1 x */;", "delimiter ;;\nx;;\n", `'\';`, "# a\n;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := read(text)
		if err != nil {
			return
		}
		again, err := read("-- begin\n" + text)
		if err != nil || !slices.Equal(first, again) {
			t.Errorf("%q: %q, then %q, %v", text, first, again, err)
		}
	})
}
