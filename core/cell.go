package core

import "strings"

// HarmlessCell keeps a spreadsheet from taking what people wrote for a formula, as OWASP advises: with an apostrophe in front.
func HarmlessCell(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
