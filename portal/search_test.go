package portal

import (
	"encoding/csv"
	"net/http/httptest"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// TestCSVHoldsNoFormulas keeps spreadsheets from running what people wrote.
func TestCSVHoldsNoFormulas(t *testing.T) {
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\tx": "'\tx", "\rx": "'\rx", "genomes": "genomes", "": "", "a=b": "a=b",
	} {
		if got := core.HarmlessCell(in); got != want {
			t.Errorf("core.HarmlessCell(%q) = %q, want %q", in, got, want)
		}
	}
	instance := core.Instance{Name: "genomes", Description: "=cmd|' /C calc'!A0", Project: "a \"quote\", a comma\nand a line"}
	w := httptest.NewRecorder()
	err := writeTable(&Server{}, w, "databases.csv", csvHeader, csvRow, func(core.Page) ([]core.Instance, string, error) {
		return []core.Instance{instance}, "", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) != len(csvHeader) || rows[1][10] != "'=cmd|' /C calc'!A0" || rows[1][15] != "a \"quote\", a comma\nand a line" {
		t.Errorf("read back %q, %v", rows, err)
	}
}
