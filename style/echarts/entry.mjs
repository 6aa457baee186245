// The part of Apache ECharts that the console draws with. Pages import this bundle when a chart comes into view.
import { LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { connect, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([LineChart, GridComponent, TooltipComponent, SVGRenderer]);

export { connect, init };
export { headroomTheme, token } from "./theme.mjs";
