package portal

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// TestCSVHoldsNoFormulas keeps spreadsheets from running what people wrote.
func TestCSVHoldsNoFormulas(t *testing.T) {
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\tx": "'\tx", "\rx": "'\rx", "genomes": "genomes", "": "", "a=b": "a=b",
	} {
		if got := harmless(in); got != want {
			t.Errorf("harmless(%q) = %q, want %q", in, got, want)
		}
	}
	row := csvRow(core.Instance{Name: "genomes", Description: "=cmd|' /C calc'!A0", Project: "a \"quote\", a comma\nand a line"})
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(row)
	w.Flush()
	back, err := csv.NewReader(strings.NewReader(b.String())).Read()
	if err != nil || len(back) != len(csvHeader) || back[10] != "'=cmd|' /C calc'!A0" || back[15] != "a \"quote\", a comma\nand a line" {
		t.Errorf("read back %q, %v", back, err)
	}
}
