package bot

import (
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/go-analyze/charts"

	"github.com/mydb-project/mydb/core"
)

// How large a chart is, in pixels: three parts, one below the other, that can be read on a phone.
const (
	chartWidth = 900
	partHeight = 260
)

// drawStats draws how a database was doing: size on disk, connections, and the backups that were made. It gives a PNG, or nothing when
// there is nothing to draw.
func drawStats(name string, series []core.Usage, backups []core.Backup) ([]byte, error) {
	hours := byHour(series)
	if len(hours) < 2 {
		return nil, nil
	}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputPNG, Width: chartWidth, Height: 3 * partHeight})
	p.FilledRect(0, 0, chartWidth, 3*partHeight, charts.ColorWhite, charts.ColorWhite, 0)
	labels := make([]string, len(hours))
	size, connections := make([]float64, len(hours)), make([]float64, len(hours))
	for i, h := range hours {
		labels[i] = h.at.Format("02 15:04")
		size[i], connections[i] = charts.GetNullValue(), charts.GetNullValue()
		if h.bytes != nil {
			size[i] = float64(*h.bytes)
		}
		if h.up > 0 {
			connections[i] = float64(h.connections)
		}
	}
	bytes := func(v float64) string {
		return units.CustomSize("%.3g %s", v, 1024, []string{"B", "KiB", "MiB", "GiB", "TiB"})
	}
	whole := func(v float64) string { return fmt.Sprintf("%.0f", v) }
	if err := drawLine(part(p, 0), "Size of "+name+" on disk", labels, size, bytes); err != nil {
		return nil, err
	}
	if err := drawLine(part(p, 1), "Connections, the most in each hour", labels, connections, whole); err != nil {
		return nil, err
	}
	if err := drawBackups(part(p, 2), backups, bytes); err != nil {
		return nil, err
	}
	return p.Bytes()
}

func part(p *charts.Painter, n int) *charts.Painter {
	return p.Child(charts.PainterBoxOption(charts.NewBox(10, n*partHeight+10, chartWidth-20, (n+1)*partHeight-5)))
}

func drawLine(p *charts.Painter, title string, labels []string, values []float64, write charts.ValueFormatter) error {
	o := charts.NewLineChartOptionWithData([][]float64{values})
	o.Title.Text = title
	o.XAxis.Labels = labels
	o.YAxis[0].ValueFormatter = write
	o.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	if err := p.LineChart(o); err != nil {
		return fmt.Errorf("draw %q: %w", title, err)
	}
	return nil
}

// drawnBackups is how many backups the chart shows.
const drawnBackups = 14

func drawBackups(p *charts.Painter, backups []core.Backup, write charts.ValueFormatter) error {
	var labels []string
	var sizes []float64
	for n := min(len(backups), drawnBackups) - 1; n >= 0; n-- { // they come newest first
		b := backups[n]
		labels, sizes = append(labels, b.CreatedAt.UTC().Format("02 Jan 15:04")), append(sizes, float64(value(b.Size)))
		if b.State == core.BackupFailed {
			labels[len(labels)-1] += " failed"
		}
	}
	if len(labels) == 0 {
		labels, sizes = []string{"no backup yet"}, []float64{0}
	}
	o := charts.NewBarChartOptionWithData([][]float64{sizes})
	o.Title.Text = "Backups, by size"
	o.CategoryAxis.Labels = labels
	o.ValueAxis[0].ValueFormatter = write
	if err := p.BarChart(o); err != nil {
		return fmt.Errorf("draw the backups: %w", err)
	}
	return nil
}

// chartDays is how many days the chart goes back.
const chartDays = 7 * 24 * time.Hour
