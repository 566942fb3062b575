# SPDX-License-Identifier: GPL-2.0
#
# gnuplot -c curves.gnuplot COUNTS CASE WHAT "WHO...": what a live update of more and more costs, as SVG: four
# pictures of one scale, one for each part of it, with a curve for each WHO.

counts = ARG1
case = ARG2
what = ARG3
whos = ARG4
# The lower edge: what takes less is drawn on it
least = 0.01

curve(who) = sprintf("< grep -E '^(case|%s [0-9]+ %s) ' '%s'", case, who, counts)
colour(who) = who eq "stock" ? "#c0392b" : who eq "ours" ? "#1f5fa8" : "#d98e04"
named(who) = who eq "stock" ? "stock" : who eq "ours" ? "ours" : "ours, through configfs"
part(i) = i == 1 ? column("create") + column("preserve") : i == 2 ? column("boot") : \
	column("open") + column("sessions") + column("retrieve") + (i == 4 ? column("read") : 0)
ms(i) = part(i) > least * 1e6 ? part(i) / 1e6 : least
most(a, b) = a > b ? a : b
array title[4] = ["preserve, with the service still there", "what the next kernel's boot takes more", \
	"retrieve", "retrieve, and read all of it"]

set terminal svg size 900,720 background "white" font "sans-serif,13"
set key autotitle columnheader right bottom
set samples 2
stats sprintf("< grep -E '^(case|%s) ' '%s'", case, counts) using 2:(most(ms(1), most(ms(2), ms(4)))) nooutput
set logscale x 2
set logscale y 10
set xrange [STATS_min_x / 1.2:STATS_max_x * 1.2]
set yrange [least:STATS_max_y * 2]
set format y "%g ms"
set xlabel what
set xtics font ",11"
set grid xtics ytics linecolor "#dddddd"
set multiplot layout 2,2 margins 0.09,0.98,0.09,0.94 spacing 0.09,0.16
do for [i = 1:4] {
	set title title[i]
	stats curve("ours") using 2:(ms(i)) name "ours" nooutput
	plot ours_max_y * x / ours_max_x with lines linecolor "#999999" dashtype 2 title "linear", \
		for [who in whos] curve(who) using 2:(ms(i)):xtic(2) with linespoints linecolor rgb colour(who) \
		pointtype 7 pointsize 0.4 linewidth 2 title named(who)
	unset key
}
